"""Saves and restores runs: trained weights, optimiser, average, stream and step, on any number of ranks.

A save copies this rank's share of the state; a thread writes, hashes and commits it while training goes on. There are
no pickles, so a checkpoint of unknown origin cannot execute code. `trainers/checkpoints` has the files and folders.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from corpusloom.schemas import config as tables
from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError, InputError, LoomError
from corpusloom.trainers.checkpoints import folders, frozen
from corpusloom.trainers.checkpoints.best import BestCheckpoint
from corpusloom.trainers.checkpoints.differences import differences
from corpusloom.trainers.checkpoints.folders import CONFIG, STREAM, storing
from corpusloom.trainers.checkpoints.loading import fill_averages, fill_model, fill_optimizer, load_weights
from corpusloom.trainers.checkpoints.saving import CheckpointContent, write_checkpoint
from corpusloom.trainers.checkpoints.shards import TensorReader
from corpusloom.trainers.checkpoints.snapshot import Share
from corpusloom.trainers.checkpoints.tensors import all_tensors
from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.collectives import from_rank_0, on_rank_0, together
from corpusloom.trainers.training.config import RunConfig, from_plain

Model = TypeVar("Model", bound=nn.Module)


class Checkpointer:
    """Saves and restores a run in a folder (path or URL) that all ranks see.

    `frozen_parts` is {configuration key: path} of the parts whose weights come from elsewhere and are not trained;
    checkpoints name them instead of holding them. With `snapshot` a save keeps one copy of this rank's share of the
    state and returns; without, it waits until the checkpoint is complete. `keep` checkpoints are kept, and the best one
    by the metric `keep_best` (NAME:max or NAME:min). `on_note` receives notes for the user, on rank 0.
    """

    def __init__(
        self,
        folder: str,
        *,
        config: RunConfig | None = None,
        attachments: Mapping[str, bytes] | None = None,
        frozen_parts: Mapping[str, str] | None = None,
        keep: int = 3,
        keep_best: str | None = None,
        snapshot: bool = True,
        on_note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.folder = folder
        self._config = config
        self._attachments = dict(attachments or {})
        self._keep, self._snapshot, self._on_note = keep, snapshot, on_note
        self._best = BestCheckpoint(folder, keep_best)
        self._share = Share()
        self._frozen = {key: frozen.place_of(path) for key, path in (frozen_parts or {}).items()}
        self._frozen_record: dict[str, Any] | None = None
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._pending: list[Future[None]] = []
        self._failed: LoomError | None = None
        self._group: dist.ProcessGroup | None = None

    def __enter__(self) -> "Checkpointer":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait until the last checkpoint is complete; its error is raised unless the block ended with one."""
        if kind is None:
            self.finish()
        else:
            self.settle()

    def save(
        self,
        step: int,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        stream: Any = None,
        ema: Mapping[str, Tensor] | None = None,
        *,
        wait: bool = False,
    ) -> str:
        """Start to write the checkpoint after `step` updates; return its folder. All ranks call this.

        The call waits for the previous save; if that failed for want of space, permission or network, a note says so,
        and training goes on. With `wait` it waits for this save too, and raises its error.
        """
        self.settle()
        self._failed = None
        found = all_tensors(model, optimizer, ema or {}, self._frozen)
        slices = self._share.take(found.tensors, copy=self._snapshot)
        content = CheckpointContent(
            path=folders.step_folder(self.folder, step),
            plan=self._share.plan,
            slices=slices,
            texts={
                **self._attachments,
                CONFIG: _json(None if self._config is None else self._config.to_plain()),
                STREAM: _json(None if stream is None else stream.state_dict()),
            },
            facts=partial(self._facts, step, found.aliases, self._surroundings()),
        )
        if distributed.world_size() > 1 and self._group is None:
            self._group = dist.new_group(backend="gloo")  # the thread's exchanges must not mix with the training's
        self._pending.append(self._thread.submit(self._write, step, content))
        if wait:
            self.finish()
        elif not self._snapshot:
            self.settle()
        return content.path

    def finish(self) -> None:
        """Wait until the last checkpoint is complete; raise the error of writing it."""
        failed, self._failed = self._failed, None
        if self._pending:
            self._wait()
        elif failed is not None:
            raise failed

    def settle(self) -> None:
        """Wait for the previous save; an error of its storage becomes a note, any other is raised."""
        try:
            self._wait()
        except LoomError as error:
            self._failed = error
            self._note(f"no checkpoint was written, training goes on: {error}")

    def _wait(self) -> None:
        pending, self._pending = self._pending, []
        for future in pending:
            future.result()

    def latest(self) -> str | None:
        """Return the folder of the newest complete checkpoint, or None."""
        return folders.latest(self.folder)

    def mark_best(self, step: int, figures: Mapping[str, float]) -> bool:
        """Return whether the figures of an evaluation after `step` updates are the best so far.

        If so, the checkpoint of that step, saved before or after this call, is kept until there is a better one. All
        ranks call this; the figures of rank 0 count.
        """
        better = from_rank_0(lambda: self._best.offer(step, figures))
        if better and distributed.rank() == 0:
            self._pending.append(self._thread.submit(self._best.keep))
        return better

    def restore(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        stream: Any = None,
        ema: Mapping[str, Tensor] | None = None,
    ) -> int:
        """Load the newest complete checkpoint into a run; return its step, 0 without one. All ranks call this.

        Each setting that differs from the checkpoint's becomes a note. Raises DamageError for a changed file or frozen
        part, InputError for another model, ConfigError for other attachments.
        """
        path = self.latest()
        if len(set(together(lambda: path and path.rsplit("/", 1)[-1]))) > 1:
            raise LoomError("ranks found different checkpoints", remedy="--out must be a folder that all ranks see")
        if path is None:
            return 0
        commit = folders.read_commit(path)
        with folders.local_shards(path, commit) as local:
            together(partial(self._check, path, commit, local))
            reader = TensorReader(local)
            fill_model(reader, model, commit, path)
            fill_optimizer(reader, model, optimizer)
            if fill_averages(reader, model, ema or {}):
                self._note("resuming: the checkpoint has no moving average, so it begins at the weights")
        for line in self._differences(path, commit):
            self._note(f"resuming: {line}")
        if self._config is not None and commit["step"] >= (steps := self._config.train.steps):
            self._note(f"step {commit['step']} of {steps} is done: nothing is left to train (set train.steps above it)")
        if stream is not None:
            stream.load_state_dict(folders.read_json(path, STREAM, commit))
        return int(commit["step"])

    def _check(self, path: str, commit: dict[str, Any], local: str) -> None:
        """Check files, frozen parts and attachments; each rank checks a share of the files."""
        rank, ranks = distributed.rank(), distributed.world_size()
        folders.check_shards(path, commit, folders.shards_of(commit)[rank::ranks], local)
        if rank == 0:
            frozen.check_unchanged(commit["frozen"], self._frozen)
        for name, data in self._attachments.items():
            if name not in commit["files"] or folders.read_file(path, name, commit) != data:
                raise ConfigError(
                    f"{name} differs from the checkpoint's",
                    where=path,
                    remedy="resume with the same data and configuration, or train into another folder",
                )

    def _differences(self, path: str, commit: dict[str, Any]) -> list[str]:
        """Return a line for each setting, number of ranks or threads, or version of torch that differs."""
        now = self._surroundings()
        before = {name: commit.get(name) for name in now}
        saved = folders.read_json(path, CONFIG, commit)
        if saved is not None and self._config is not None:
            before, now = {**saved, **before}, {**self._config.to_plain(), **now}
        return list(differences(before, now))

    def _surroundings(self) -> dict[str, Any]:
        threads = self._config.train.threads if self._config else None
        return {
            "torch": torch.__version__,
            "threads": threads or torch.get_num_threads(),
            "world_size": distributed.world_size(),
        }

    def _note(self, text: str) -> None:
        if distributed.rank() == 0:
            self._on_note(text)

    def _write(self, step: int, content: CheckpointContent) -> None:
        """Write a checkpoint in the thread, then delete older ones."""
        try:
            write_checkpoint(content, self._group)
        except Exception:
            self._best.forget(step)
            raise
        on_rank_0(storing(self.folder, self._delete_older), self._group)

    def _delete_older(self) -> None:
        self._best.keep()
        folders.delete_older(self.folder, self._keep, self._best.step())

    def _facts(self, step: int, aliases: dict[str, str], surroundings: dict[str, Any]) -> dict[str, Any]:
        if self._frozen_record is None:
            self._frozen_record = frozen.record(self._frozen)
        return {"step": step, "aliases": aliases, "frozen": self._frozen_record, **surroundings}


def read_config(path: str, assignments: Sequence[str] = ()) -> RunConfig:
    """Return the configuration of the run that wrote a checkpoint, with assignments applied.

    Frozen parts are where they were when the checkpoint was written, unless an assignment says otherwise.
    """
    commit = folders.read_commit(path)
    values = folders.read_json(path, CONFIG, commit)
    if values is None:
        raise InputError("the checkpoint was saved without a configuration", where=path)
    changed = tables.override(values, (*frozen.assignments(commit["frozen"]), *assignments))
    return from_plain(changed, where=storage.join(path, CONFIG))


def load_model(
    path: str, build_model: Callable[[RunConfig], Model], assignments: Sequence[str] = ()
) -> tuple[Model, RunConfig]:
    """Return a checkpoint's model, in evaluation mode, and its configuration; a run's folder means its newest one.

    The weights are the moving averages, if the run kept them. One process reads what any number of ranks wrote.
    """
    folder = folders.find(path)
    config = read_config(folder, assignments)
    recorded = folders.read_commit(folder)["frozen"]
    frozen.check_unchanged(recorded, frozen.places(recorded, config.to_plain()))
    model = build_model(config)
    load_weights(model, folder)
    return model.eval(), config


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()
