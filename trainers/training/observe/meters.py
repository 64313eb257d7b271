"""Measurements between two reports: means of named values, seconds by part, peak memory."""

import contextlib
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from corpusloom.trainers.training import collectives


class Meter:
    """Means of named values since the last `read`; tensors stay on their device until then."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        """Name -> sum and number of its values, (2,)."""

    def add(self, values: Mapping[str, tuple[float | Tensor, float | Tensor]]) -> None:
        """Add the sum and the number of some values per name."""
        for name, (amount, count) in values.items():
            amount = torch.as_tensor(amount).detach().double().reshape(())
            pair = torch.stack([amount, torch.as_tensor(count, dtype=torch.float64, device=amount.device).reshape(())])
            self._sums[name] = self._sums[name] + pair if name in self._sums else pair

    def read(self) -> dict[str, float]:
        """Return the means over steps and ranks (all ranks must have the same names), and start afresh.

        The mean of no value is NaN.
        """
        names = sorted(self._sums)
        if not names:
            return {}
        device = max((self._sums[name].device for name in names), key=lambda d: d.type != "cpu")
        sums = collectives.total(torch.stack([self._sums[name].to(device) for name in names]))
        self._sums.clear()
        return dict(zip(names, (sums[:, 0] / sums[:, 1]).tolist(), strict=True))


class Stopwatch:
    """Seconds by part since the last `read`.

    On CUDA a part's time is that between two events of the device's stream, because the host may wait for data while
    the device still computes the previous step. Without CUDA it is the host's time.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self._on_device = device is not None and device.type == "cuda"
        self._spans: list[tuple[str, Any, Any]] = []
        self._begin = time.perf_counter()

    def _mark(self) -> Any:
        if not self._on_device:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the block's time under a name."""
        begin = self._mark()
        try:
            yield
        finally:
            self._spans.append((name, begin, self._mark()))

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the block's time out of the total."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self._begin += time.perf_counter() - begin

    def read(self) -> tuple[float, dict[str, float]]:
        """Return the total seconds and those by part, and start afresh."""
        if self._on_device:
            torch.cuda.synchronize()
        parts: dict[str, float] = {}
        for name, begin, end in self._spans:
            seconds = begin.elapsed_time(end) / 1e3 if self._on_device else end - begin
            parts[name] = parts.get(name, 0.0) + seconds
        now = time.perf_counter()
        total, self._begin, self._spans = now - self._begin, now, []
        return total, parts


def peak_memory(device: torch.device) -> tuple[str, int]:
    """Return kind and bytes of this rank's peak memory: torch's allocations since the last call, or resident memory.

    On CUDA the peak starts afresh. Elsewhere it is the process's largest resident set (loader processes not counted).
    """
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        return "allocated", peak
    unit = 1 if sys.platform == "darwin" else 1024
    return "rss", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
