"""Runs one training run and writes its folder; `loom train` calls it, with or without torchrun."""

import contextlib
import json
from collections.abc import Callable, Sequence

import torch

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers import registry
from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.checkpoint import Checkpointer
from corpusloom.trainers.training.config import RunConfig, check_family
from corpusloom.trainers.training.loop import TrainResult, train
from corpusloom.trainers.training.observe import MetricsLog, StepReport


def run(
    family: str,
    config: RunConfig,
    data: Sequence[str],
    out: str,
    *,
    device: str | None = None,
    on_step: Callable[[StepReport], None] | None = None,
    on_update: Callable[[int], None] | None = None,
) -> TrainResult:
    """Train a family's model over datasets into the folder `out`, resuming from its newest checkpoint.

    `data` are DATASET, NAME=DATASET or NAME=DATASET:SHARE. `out` gets checkpoints/, metrics.jsonl and result.json.
    Under torchrun every rank calls this; rank 0 writes. `on_step` gets reports, `on_update` the number of each step.
    """
    check_family(config, family)
    with distributed.session(device, config.parallel) as place:
        torch.manual_seed(config.train.rng_seed)
        task = registry.build_task(config, parse_datasets(data))
        checkpointer = Checkpointer(
            storage.join(out, "checkpoints"), config=config, attachments=task.attachments, keep=config.train.keep
        )
        with contextlib.closing(task.stream):
            task.model.to(place)
            result = train(
                task,
                config.train,
                config.parallel,
                checkpoint=checkpointer,
                on_step=_reporter(out, checkpointer, on_step),
                on_update=on_update,
            )
        if distributed.rank() == 0:
            _write_result(out, result)
        return result


def parse_datasets(data: Sequence[str]) -> dict[str, tuple[str, float]]:
    """Return name -> (path, share of samples) of DATASET, NAME=DATASET and NAME=DATASET:SHARE; without one it is 1.

    A dataset without a name gets that of its folder.
    """
    datasets: dict[str, tuple[str, float]] = {}
    for text in data:
        name, equals, place = text.rpartition("=") if text.count("=") == 1 else ("", "", text)
        path, colon, weight = place.rpartition(":")
        if not colon or not _is_number(weight):
            path, weight = place, "1"
        name = name if equals else path.rstrip("/").rsplit("/", 1)[-1]
        if not path or not name or float(weight) <= 0:
            raise ConfigError(f"{text!r} is not NAME=DATASET:SHARE", where="--data", remedy="shares are above 0")
        if name in datasets:
            raise ConfigError(f"two datasets are called {name!r}", where="--data", remedy="name them: NAME=DATASET")
        datasets[name] = (path, float(weight))
    if not datasets:
        raise ConfigError("no dataset", where="--data", remedy="--data DATASET")
    return datasets


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _reporter(
    out: str, checkpointer: Checkpointer, on_step: Callable[[StepReport], None] | None
) -> Callable[[StepReport], None] | None:
    """Return the function that takes a report: on rank 0 it writes a line of metrics.jsonl, then calls `on_step`."""
    if distributed.rank() != 0:
        return on_step
    latest = checkpointer.latest()
    resumed_at = int(latest[-8:]) if latest else 0
    log = MetricsLog(storage.join(out, "metrics.jsonl"), resumed_at=resumed_at) if storage.is_local(out) else None

    def report(step: StepReport) -> None:
        if log is not None:
            log.write(step)
        if on_step is not None:
            on_step(step)

    return report


def _write_result(out: str, result: TrainResult) -> None:
    plain = {
        "steps": result.steps,
        "resumed_at": result.resumed_at,
        "seconds": round(result.seconds, 3),
        "evaluation": result.evaluation,
        "checkpoint": result.checkpoint,
        "skipped": result.skipped.to_plain(),
        "report": None if result.report is None else result.report.to_plain(),
    }
    storage.write_bytes(storage.join(out, "result.json"), (json.dumps(plain, indent=1) + "\n").encode())
