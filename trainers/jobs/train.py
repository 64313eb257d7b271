"""Runs one training run and writes its folder; `loom train` calls it, with or without torchrun."""

import contextlib
import json
from collections.abc import Callable, Sequence

import torch

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers import registry
from corpusloom.trainers.checkpoints import frozen
from corpusloom.trainers.checkpoints.folders import RUN_FOLDER, latest
from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.checkpoint import Checkpointer, read_config
from corpusloom.trainers.training.config import RunConfig, check_family
from corpusloom.trainers.training.loop import TrainResult, train
from corpusloom.trainers.training.observe.heartbeat import Heartbeat, watched_ranks
from corpusloom.trainers.training.observe.logs import MetricsLog, finite
from corpusloom.trainers.training.observe.profiler import StepProfiler, StepWindow
from corpusloom.trainers.training.observe.reports import Observer, Observers
from corpusloom.trainers.training.parallel import is_divided
from corpusloom.trainers.training.task import TrainingTask


def run(
    family: str,
    config: RunConfig,
    data: Sequence[str],
    out: str,
    *,
    device: str | None = None,
    observers: Sequence[Observer] = (),
    on_update: Callable[[int], None] = lambda _: None,
    profile: StepWindow | None = None,
) -> TrainResult:
    """Train a family's model over datasets into the folder `out`, resuming from its newest checkpoint.

    `data` are DATASET, NAME=DATASET or NAME=DATASET:SHARE. `out` gets checkpoints/, metrics.jsonl, result.json, and
    profile/ with a trace of each rank's steps in the window `profile`. Under torchrun every rank calls this; rank 0
    writes, and `observers` receive its events. `on_update` gets the number of steps that are done.
    """
    check_family(config, family)
    begun = latest(storage.join(out, RUN_FOLDER))
    if begun is not None:
        check_same_family(begun, config)
    config = registry.complete(config, begun=begun)
    with distributed.session(device, config.parallel) as place:
        torch.manual_seed(config.train.rng_seed)
        frozen_parts = registry.frozen_parts(config)
        frozen.check_present(frozen_parts)
        task = registry.build_task(config, parse_datasets(data), begun)
        check_keep_best(config, task)
        log = MetricsLog(storage.join(out, "metrics.jsonl"))
        told = Observers((log, *observers) if distributed.rank() == 0 else ())
        for note in task.notes:
            told.note(note)
        checkpointer = Checkpointer(
            storage.join(out, RUN_FOLDER),
            config=config,
            attachments=task.attachments,
            frozen_parts=frozen_parts,
            keep=config.train.keep,
            keep_best=config.train.keep_best,
            snapshot=config.train.snapshot,
            on_note=told.note,
        )
        profiler = None if profile is None else StepProfiler(profile, storage.join(out, "profile"))
        heartbeat = Heartbeat(
            dead_seconds=config.parallel.dead_after, stall_seconds=config.parallel.stall_after, on_note=told.note
        )

        def after_step(done: int) -> None:
            on_update(done)
            if profiler is not None:
                profiler.after(done)

        with contextlib.ExitStack() as closing:
            closing.callback(told.close)
            closing.enter_context(contextlib.closing(task.stream))
            if profiler is not None:
                closing.callback(profiler.close)
            closing.enter_context(watched_ranks(heartbeat))
            if not is_divided():
                task.model.to(place)
            result = train(
                task,
                config.train,
                config.parallel,
                device=place,
                checkpoint=checkpointer,
                observer=told,
                on_update=after_step,
                on_part=heartbeat.mark,
                name=config.name,
            )
        if distributed.rank() == 0:
            _write_result(out, result, log)
        return result


def check_same_family(begun: str, config: RunConfig) -> None:
    """Raise ConfigError if the checkpoint from which a run would resume is of another family of models."""
    found = read_config(begun).family
    if found != config.family:
        what = f"the checkpoint is of a run of {found}, and {config.name} configures {config.family}"
        raise ConfigError(what, where=begun, remedy="train into another folder: --out")


def check_keep_best(config: RunConfig, task: TrainingTask) -> None:
    """Raise ConfigError if `train.keep_best` names no figure of the run's evaluation."""
    if config.train.keep_best is None:
        return
    name, where = config.train.keep_best.rpartition(":")[0], "train.keep_best"
    if task.evaluate is None:
        raise ConfigError("the run has no evaluation", where=where, remedy="leave it out, or set data.evaluate")
    if task.figures and name not in task.figures:
        remedy = f"one of {', '.join(known for known in task.figures if f'{known}_low' in task.figures)}"
        raise ConfigError(f"the evaluation has no figure {name!r}", where=where, remedy=remedy)


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


def _write_result(out: str, result: TrainResult, log: MetricsLog) -> None:
    plain = {
        "steps": result.steps,
        "resumed_at": result.resumed_at,
        "seconds": round(result.seconds, 3),
        "evaluation": result.evaluation,
        "evaluations": log.evaluations,
        "checkpoint": result.checkpoint,
        "skipped": result.skipped.to_plain(),
        "skipped_steps": result.skipped_steps,
        "report": None if result.report is None else result.report.to_plain(),
    }
    storage.write_bytes(storage.join(out, "result.json"), (json.dumps(finite(plain), indent=1) + "\n").encode())
