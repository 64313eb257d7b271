"""The best checkpoint of a run by a metric of its evaluations, which is kept when older ones are deleted."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.guards import json_files
from corpusloom.trainers.checkpoints import folders

BEST = "best.json"


@dataclass(slots=True)
class BestCheckpoint:
    """The best step of a folder; `metric` is NAME:max or NAME:min, None keeps none.

    best.json names the best *complete* checkpoint. A better step is a candidate until its checkpoint is complete.
    """

    folder: str
    metric: str | None
    _candidate: dict[str, Any] | None = None

    def offer(self, step: int, figures: Mapping[str, float]) -> bool:
        """Return whether the figures after `step` updates are the best so far; remember the step if so."""
        if self.metric is None:
            return False
        name, _, direction = self.metric.rpartition(":")
        if name not in figures:
            remedy = f"one of {', '.join(figures)}"
            raise ConfigError(f"the evaluation has no figure {name!r}", where="train.keep_best", remedy=remedy)
        value, best = float(figures[name]), self._candidate or self._read()
        bar = -math.inf if best is None else best["value"] * (-1 if direction == "min" else 1)
        if not (-value if direction == "min" else value) > bar:  # NaN is never better
            return False
        self._candidate = {"step": step, "value": value, "metric": self.metric}
        return True

    def keep(self) -> None:
        """Record the candidate in best.json, if its checkpoint is complete."""
        found = self._candidate
        if found is not None and folders.is_complete(folders.step_folder(self.folder, found["step"])):
            storage.write_bytes(storage.join(self.folder, BEST), json_files.seal(found))

    def forget(self, step: int) -> None:
        """Forget the candidate if its checkpoint could not be written."""
        if self._candidate is not None and self._candidate["step"] == step:
            self._candidate = None

    def step(self) -> int | None:
        """Return the best step with a complete checkpoint, or None."""
        best = self._read()
        return None if best is None else int(best["step"])

    def _read(self) -> dict[str, Any] | None:
        """Return best.json, unless it is of another metric."""
        path = storage.join(self.folder, BEST)
        if self.metric is None or not storage.exists(path):
            return None
        remedy = "delete the file: the best checkpoint is then chosen anew"
        best = json_files.read_object(path, remedy, {"step": int, "value": float, "metric": str})
        return best if best["metric"] == self.metric else None
