"""Writes one checkpoint, in step with the other ranks: tensors, small files, then checkpoint.json."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint.planner import SavePlan

from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.guards import json_files
from corpusloom.trainers.checkpoints import folders
from corpusloom.trainers.checkpoints.folders import storing
from corpusloom.trainers.checkpoints.shards import SlicePlanner, TensorWriter
from corpusloom.trainers.training.collectives import on_rank_0, together
from corpusloom.trainers.training.distributed import rank


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckpointContent:
    """A rank's part of a checkpoint in the folder `path`."""

    path: str
    plan: SavePlan
    slices: Mapping[str, Tensor]
    """Name -> this rank's slice."""
    texts: dict[str, bytes]
    """Name -> small file; rank 0 writes them."""
    facts: Callable[[], dict[str, Any]]
    """Returns what checkpoint.json says besides the format and the files; called on rank 0."""


def write_checkpoint(content: CheckpointContent, group: dist.ProcessGroup | None) -> None:
    """Write and commit a checkpoint; all ranks call this, and return once it is complete.

    If a rank fails, no rank commits, the folder is removed, and all raise: a LoomError for an error of the storage.
    """
    path = content.path
    try:
        on_rank_0(storing(path, partial(folders.delete, path)), group)  # what a killed run left
        written = together(storing(path, partial(_write_files, content)), group)
        files = {name: digest for part in written for name, digest in part.items()}
        on_rank_0(storing(path, partial(_commit, content, files)), group)
    except Exception:
        if rank() == 0:
            with suppress(Exception):
                folders.delete(path)  # its space may be what is wanting
        raise


def _write_files(content: CheckpointContent) -> dict[str, str]:
    """Write this rank's file, and on rank 0 the small ones; return their sha256 by name."""
    writer = TensorWriter(content.path)
    writer.write_data(content.plan, SlicePlanner(content.slices)).wait()
    return writer.files | (folders.write_texts(content.path, content.texts) if rank() == 0 else {})


def _commit(content: CheckpointContent, files: dict[str, str]) -> None:
    for name in files:
        if not storage.exists(storage.join(content.path, name)):
            raise InputError(
                f"rank 0 does not see {name}, which another rank wrote",
                where=content.path,
                remedy="--out must be a folder that all ranks see",
            )
    commit = {"format_version": folders.FORMAT_VERSION, **content.facts(), "files": files}
    storage.write_bytes(storage.join(content.path, folders.COMMIT), json_files.seal(commit))
