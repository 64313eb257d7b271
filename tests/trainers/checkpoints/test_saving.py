"""One checkpoint is written whole, or not at all."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError
from corpusloom.trainers.checkpoints import folders
from corpusloom.trainers.checkpoints.saving import CheckpointContent, write_checkpoint
from corpusloom.trainers.checkpoints.snapshot import Share


def content(folder: Path, facts: Any = lambda: {"step": 7, "aliases": {}, "frozen": {}}) -> CheckpointContent:
    share, tensors = Share(), {"model:a": torch.ones(3)}
    slices: dict[str, Tensor] = share.take(tensors, copy=False)
    return CheckpointContent(path=f"{folder}/c", plan=share.plan, slices=slices, texts={"a.txt": b"a"}, facts=facts)


def test_a_checkpoint_is_complete_with_the_sha256_of_each_file(tmp_path: Path) -> None:
    write_checkpoint(content(tmp_path), None)
    commit = folders.read_commit(f"{tmp_path}/c")
    assert commit["step"] == 7
    found = {name: storage.hash_file(f"{tmp_path}/c/{name}")[0] for name in ("a.txt", "shard-00000.safetensors")}
    assert commit["files"] == found


def test_a_checkpoint_that_cannot_be_committed_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> dict[str, Any]:
        raise InputError("no weights", where="vision")

    with pytest.raises(InputError, match="vision: no weights"):
        write_checkpoint(content(tmp_path, broken), None)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_rank_0_does_not_see_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "write_texts", lambda path, texts: {"of-another-rank": "0" * 64})
    with pytest.raises(InputError, match="rank 0 does not see of-another-rank"):
        write_checkpoint(content(tmp_path), None)
