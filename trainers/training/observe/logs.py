"""Logs of a run: metrics.jsonl always; TensorBoard and Weights & Biases if they are asked for."""

import hashlib
import importlib
import json
import math
from collections.abc import Mapping
from typing import Any

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.training.observe.reports import Observer, RunStart, StepReport

EVALUATION = "evaluation/"
"""Prefix of the names of an evaluation's figures in logs."""


class MetricsLog(Observer):
    """A file with one JSON line per report and per evaluation; a resumed run deletes the lines after its first step.

    An object store has no files that grow, so there the whole file is written at each checkpoint and at the end.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lines: list[bytes] = []
        self.evaluations: list[dict[str, Any]] = []
        """Step and figures of all evaluations so far, those of the run that is resumed included."""

    def start(self, start: RunStart) -> None:
        """Read what an earlier run wrote up to the step from which this one goes on.

        The model is evaluated again at that step, because the run may have been killed before it was.
        """
        before = storage.read_bytes(self._path).splitlines() if storage.exists(self._path) else []
        kept = [(line, values) for line in before if (values := _values_before(line, start.resumed_at))]
        self._lines = [line + b"\n" for line, _ in kept]
        self.evaluations = [found for _, values in kept if (found := _evaluation_of(values))]
        self._write_all()

    def report(self, report: StepReport) -> None:
        """Append a report."""
        self._append(report.to_plain())

    def evaluation(self, step: int, figures: Mapping[str, float]) -> None:
        """Append an evaluation."""
        self.evaluations.append({"step": step, "figures": dict(figures)})
        self._append({"step": step} | {f"{EVALUATION}{name}": value for name, value in figures.items()})

    def saved(self, step: int, path: str) -> None:
        """Write all lines so far, if the log is on an object store."""
        if not storage.is_local(self._path):
            self._write_all()

    def close(self) -> None:
        """Write all lines so far, if the log is on an object store."""
        self.saved(0, "")

    def _append(self, values: Mapping[str, Any]) -> None:
        line = json.dumps(finite(values)).encode() + b"\n"
        if storage.is_local(self._path):
            with open(storage.filesystem(self._path)[1], "ab") as handle:
                handle.write(line)
        else:
            self._lines.append(line)

    def _write_all(self) -> None:
        storage.write_bytes(self._path, b"".join(self._lines))


def finite(value: Any) -> Any:
    """Return a plain value with None for each number that is not finite, because JSON has no NaN."""
    if isinstance(value, Mapping):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _values_before(line: bytes, step: int) -> dict[str, Any] | None:
    """Return the values of a report up to a step, or of an evaluation before it; a kill may leave half a line."""
    try:
        values = dict(json.loads(line))
        return values if values["step"] <= step - bool(_evaluation_of(values)) else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _evaluation_of(values: Mapping[str, Any]) -> dict[str, Any] | None:
    figures = {name.removeprefix(EVALUATION): value for name, value in values.items() if name.startswith(EVALUATION)}
    return {"step": values["step"], "figures": figures} if figures else None


class TensorBoardLog(Observer):
    """Scalars in TensorBoard's event files, by `tensorboard`; a resumed run hides the steps that it repeats."""

    def __init__(self, folder: str) -> None:
        if not storage.is_local(folder):
            raise ConfigError("TensorBoard needs a local folder", where=folder, remedy="leave out --tensorboard")
        self._module = _module("torch.utils.tensorboard", "tensorboard", "--tensorboard")
        self._folder = storage.filesystem(folder)[1]
        self._writer: Any = None

    def start(self, start: RunStart) -> None:
        """Open the event file."""
        purge = start.resumed_at + 1 if start.resumed_at else None
        self._writer = self._module.SummaryWriter(self._folder, purge_step=purge)
        self._writer.add_text("start", str(start), start.resumed_at)

    def report(self, report: StepReport) -> None:
        """Write a report's numbers."""
        self._scalars(report.step, {f"train/{name}": value for name, value in report.to_plain().items()})

    def evaluation(self, step: int, figures: Mapping[str, float]) -> None:
        """Write an evaluation's figures."""
        self._scalars(step, {f"{EVALUATION}{name}": value for name, value in figures.items()})

    def _scalars(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()


class WandbLog(Observer):
    """A run of Weights & Biases, by the package `wandb`, whose own environment variables say where it goes."""

    def __init__(self, folder: str, project: str, config: Mapping[str, Any]) -> None:
        self._module = _module("wandb", "wandb", "--wandb")
        self._folder, self._project, self._config = folder, project, config
        self._run: Any = None

    def start(self, start: RunStart) -> None:
        """Open the run; one that resumes goes on in the same run."""
        folder = storage.filesystem(self._folder)[1].rstrip("/")
        name = folder.rsplit("/", 1)[-1]
        number = f"{name}-{hashlib.sha256(folder.encode()).hexdigest()[:8]}"
        self._run = self._module.init(
            project=self._project, name=name, id=number, resume="allow", config=dict(self._config)
        )

    def report(self, report: StepReport) -> None:
        """Log a report's numbers."""
        values = {f"train/{name}": value for name, value in report.to_plain().items() if name != "step"}
        self._run.log(values, step=report.step)

    def evaluation(self, step: int, figures: Mapping[str, float]) -> None:
        """Log an evaluation's figures."""
        self._run.log({f"{EVALUATION}{name}": value for name, value in figures.items()}, step=step)

    def close(self) -> None:
        """Close the run."""
        if self._run is not None:
            self._run.finish()


def _module(name: str, package: str, flag: str) -> Any:
    """Import an optional module; ConfigError that says how to install it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"{package} is not installed", where=flag, remedy=f"pip install 'corpusloom[{package}]'"
        ) from error
