"""Profiles a window of steps (`--profile START:STOP`) into a Chrome trace per rank."""

import os
import re
import tempfile
from dataclasses import dataclass

import torch
from torch.profiler import ProfilerActivity, profile

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.training import distributed


@dataclass(frozen=True, slots=True)
class StepWindow:
    """Steps START + 1 to STOP of a run, in their order from 1."""

    start: int
    stop: int


def parse_window(text: str) -> StepWindow:
    """Return the window START:STOP; ConfigError for anything else."""
    match = re.fullmatch(r"(\d{1,9}):(\d{1,9})", text)
    if match is None or int(match[1]) >= int(match[2]):
        raise ConfigError(f"{text!r} is no window", where="--profile", remedy="give START:STOP, such as 10:15")
    return StepWindow(int(match[1]), int(match[2]))


class StepProfiler:
    """Records the kernels and functions of a window of steps on this rank."""

    def __init__(self, window: StepWindow, folder: str) -> None:
        self._window, self._folder = window, folder
        self._profile: profile | None = None
        self.path = ""
        """Path of the trace, once it is written."""

    def after(self, done: int) -> None:
        """Begin or end the recording, when `done` steps are done."""
        if self._profile is None and not self.path and self._window.start <= done < self._window.stop:
            activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])]
            self._profile = profile(activities=activities, record_shapes=True)
            self._profile.start()
        elif self._profile is not None and done >= self._window.stop:
            self.close()

    def close(self) -> None:
        """End the recording, and write the trace."""
        if self._profile is None:
            return
        self._profile.stop()
        name = f"rank-{distributed.rank()}-steps-{self._window.start}-{self._window.stop}.json"
        self.path = storage.join(self._folder, name)
        with tempfile.TemporaryDirectory() as folder:
            trace = os.path.join(folder, name)
            self._profile.export_chrome_trace(trace)
            with open(trace, "rb") as handle:
                storage.write_bytes(self.path, handle.read())
        self._profile = None
