"""Training metrics: means over the steps between two reports, seconds by part, and one JSON line per report."""

import contextlib
import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from corpusloom.schemas import storage
from corpusloom.trainers.training import collectives


@dataclass(frozen=True, kw_only=True, slots=True)
class StepReport:
    """Training after `step` updates; means are over the ranks, and over the steps since the last report."""

    step: int
    steps: int
    """Steps of the whole run."""
    loss: float
    grad_norm: float
    """Norm of the gradient before clipping."""
    lr: float
    samples: int
    """Usable samples of all ranks since the last report."""
    skipped: int = 0
    """Samples of all ranks since the last report that could not be used."""
    samples_per_second: float
    """Samples of all ranks per second since the last report."""
    seconds: dict[str, float]
    """Seconds per step by part: data, compute (forward and backward), update."""
    metrics: dict[str, float]
    """Means of the objective's measurements."""

    def to_plain(self) -> dict[str, Any]:
        """Return one flat table for a JSON line: seconds as seconds/NAME, metrics under their own names."""
        plain: dict[str, Any] = {
            name: getattr(self, name) for name in ("step", "loss", "grad_norm", "lr", "samples", "skipped")
        }
        plain["samples_per_second"] = self.samples_per_second
        plain |= {f"seconds/{name}": value for name, value in self.seconds.items()}
        return plain | self.metrics


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
    """Seconds by part since the last `read`."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._begin = time.perf_counter()

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the block's time under a name."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[name] = self._seconds.get(name, 0.0) + time.perf_counter() - begin

    def read(self) -> tuple[float, dict[str, float]]:
        """Return the total seconds and those by part, and start afresh."""
        now = time.perf_counter()
        total, parts = now - self._begin, self._seconds
        self._begin, self._seconds = now, {}
        return total, parts


def _is_before(line: bytes, step: int) -> bool:
    """Return whether a line is a report up to a step; a killed run may have left half a line."""
    try:
        return bool(json.loads(line)["step"] <= step)
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


class MetricsLog:
    """A local file with one JSON line per report; a resumed run deletes the lines after its first step."""

    def __init__(self, path: str, *, resumed_at: int = 0) -> None:
        self._path = path
        lines = storage.read_bytes(path).splitlines() if storage.exists(path) else []
        storage.write_bytes(path, b"".join(line + b"\n" for line in lines if _is_before(line, resumed_at)))

    def write(self, report: StepReport) -> None:
        """Append a report; a value that is not finite becomes null, because JSON has no NaN."""
        plain = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in report.to_plain().items()}
        with open(self._path, "a", encoding="utf-8") as handle:
            handle.write(json.dumps(plain) + "\n")
