"""A checkpoint of any number of ranks is loaded by any other number, exactly."""

import os
from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh

from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError, LoomError, ShortageError
from corpusloom.trainers.checkpoints import folders
from corpusloom.trainers.checkpoints.loading import load_weights
from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.checkpoint import Checkpointer
from tests.trainers.checkpoints.small_run import Small, SmallRun, small_run
from tests.trainers.ranks import run_ranks

FOLDER = "CHECKPOINTS_UNDER_TEST"
MESHES = {"shard": (1, "shard"), "shard-tensor": (2, "shard", "tensor"), "hybrid": (2, "replicate", "shard")}
"""Layout -> size of the second dimension, and the names of both."""
KINDS = (*MESHES, "whole")


def run_on(kind: str, *, seed: int = 0) -> SmallRun:
    """Return a run on all ranks; the number of ranks decides how many shards there are."""
    ranks = distributed.world_size()
    if kind == "whole" or ranks == 1:
        return small_run(seed=seed)
    second, *names = MESHES[kind]
    shape = (ranks // second, second)[: len(names)]
    return small_run(init_device_mesh("cpu", shape, mesh_dim_names=tuple(names)), seed=seed)


def checkpointer(kind: str) -> Checkpointer:
    return Checkpointer(f"{os.environ[FOLDER]}/{kind}")


def save_on_four() -> dict[str, Tensor]:
    """Save after two steps in each layout, go on, and return whether a restored run goes on in the same way."""
    equal: dict[str, Tensor] = {}
    for kind in KINDS:
        run = run_on(kind)
        run.step(0)
        run.step(1)
        saver = checkpointer(kind)
        saver.save(2, run.model, run.optimizer, ema=run.averages)
        whole = run.whole()
        run.step(2)  # while the thread writes
        saver.finish()
        if distributed.rank() == 0:
            save_file(whole, f"{os.environ[FOLDER]}/{kind}.safetensors")
        again = run_on(kind, seed=1)
        assert checkpointer(kind).restore(again.model, again.optimizer, ema=again.averages) == 2
        again.step(2)
        after, before = again.whole(), run.whole()
        equal[kind] = torch.tensor([torch.equal(after[name], before[name]) for name in before])
    return equal


def load_all() -> dict[str, Tensor]:
    """Return, for each saved layout and each layout of these ranks, whether every tensor is loaded as it was saved."""
    equal: dict[str, Tensor] = {}
    for saved in KINDS:
        expected = load_file(f"{os.environ[FOLDER]}/{saved}.safetensors")
        for kind in KINDS if distributed.world_size() == 4 else ("shard", "whole"):
            run = run_on(kind, seed=1)
            assert checkpointer(saved).restore(run.model, run.optimizer, ema=run.averages) == 2
            found = run.whole()
            assert found.keys() == expected.keys()
            equal[f"{saved} {kind}"] = torch.tensor([torch.equal(found[name], expected[name]) for name in expected])
    return equal


def run_out_of_space_on_one_rank() -> dict[str, Tensor]:
    """Save with a full disk under rank 2, then with space; return the notes' numbers and the complete steps."""
    run, notes = run_on("shard"), list[str]()
    run.step(0)
    folder = f"{os.environ[FOLDER]}/full"
    saver = Checkpointer(folder, on_note=notes.append)
    writing = storage.writing

    def full(path: str) -> AbstractContextManager[IO[bytes]]:
        raise ShortageError("No space left on device", where=path)

    if distributed.rank() == 2:
        storage.writing = full
    saver.save(1, run.model, run.optimizer)
    run.step(1)
    with pytest.raises(ShortageError, match=r"step-00000001/shard-00002\.safetensors: No space left"):
        saver.finish()
    saver.save(2, run.model, run.optimizer)
    if distributed.rank() == 2:
        saver.settle()
        storage.writing = writing
    saver.save(3, run.model, run.optimizer)
    saver.finish()
    assert folders.steps_in(folder) == folders.complete_steps(folder) == [3]
    told = ["training goes on" in note and "shard-00002.safetensors: No space left" in note for note in notes]
    assert told == ([True] if distributed.rank() == 0 else [])
    return {}


def use_folders_of_their_own() -> dict[str, Tensor]:
    """Save to, and restore from, folders that no other rank sees."""
    run, rank = run_on("shard"), distributed.rank()
    saver = Checkpointer(f"{os.environ[FOLDER]}/own-{rank}")
    with pytest.raises(InputError, match=r"rank 0 does not see shard-0000.*--out must be a folder that all ranks see"):
        saver.save(1, run.model, run.optimizer, wait=True)
    other = "shard" if rank < 2 else "own-3"
    with pytest.raises(LoomError, match=r"different checkpoints \(--out must be a folder that all ranks see"):
        checkpointer(other).restore(run.model, run.optimizer)
    return {}


def four() -> dict[str, Tensor]:
    return save_on_four() | load_all() | run_out_of_space_on_one_rank() | use_folders_of_their_own()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save on four ranks in three layouts; each goes on, also restored, bit for bit."""
    folder = tmp_path_factory.mktemp("saved")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER, str(folder))
        for found in run_ranks(four, tmp_path_factory.mktemp("four"), 4):
            assert len(found) == 4 + 16
            assert {name for name, equal in found.items() if not equal.all()} == set()
    return folder


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_a_checkpoint_of_four_ranks_is_loaded_exactly_by_any_number(
    saved: Path, ranks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER, str(saved))
    results = [load_all()] if ranks == 1 else run_ranks(load_all, tmp_path, ranks)
    assert len(results) == ranks
    for found in results:
        assert len(found) == 8
        assert {name for name, equal in found.items() if not equal.all()} == set()


@pytest.mark.parametrize("kind", KINDS)
def test_each_rank_writes_one_file_and_nothing_is_written_twice(saved: Path, kind: str) -> None:
    folder = saved / kind / "step-00000002"
    names = {path.name for path in folder.iterdir()}
    assert names == {
        *(f"shard-{rank:05d}.safetensors" for rank in range(4)),
        "config.json",
        "stream.json",
        "checkpoint.json",
    }
    whole = load_file(saved / f"{kind}.safetensors")
    distinct = {name: value for name, value in whole.items() if name != "model head.weight"}
    values: Counter[str] = Counter()
    shares = []
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as handle:
            held = {name: handle.get_tensor(name).numel() for name in handle.keys()}  # noqa: SIM118
        values.update(held)
        shares.append(sum(held.values()))
    assert values["model:embedding.weight"] == 7 * 8
    assert "model:head.weight" not in values
    assert values["optimizer.step:scale"] == 1
    assert sum(values.values()) == sum(value.numel() for value in distinct.values())
    assert max(shares) < 0.45 * sum(shares)


def test_one_process_loads_the_averaged_weights_of_any_layout(saved: Path) -> None:
    for kind in KINDS:
        model = Small()
        load_weights(model, str(saved / kind / "step-00000002"))
        expected = load_file(saved / f"{kind}.safetensors")
        assert torch.equal(model.up.weight, expected["ema up.weight"])
        assert torch.equal(model.head.weight, expected["ema embedding.weight"])
        assert torch.equal(model.norm.running_var, expected["model norm.running_var"])


def test_tied_weights_are_read_into_a_model_that_does_not_tie_them(tmp_path: Path) -> None:
    run = small_run(average=False)
    path = Checkpointer(str(tmp_path)).save(1, run.model, run.optimizer, wait=True)
    assert folders.read_commit(path)["aliases"] == {"head.weight": "embedding.weight"}
    other = Small()
    other.head.weight = torch.nn.Parameter(torch.zeros(7, 8))
    load_weights(other, path)
    assert torch.equal(other.head.weight, run.model.get_parameter("embedding.weight"))


def test_a_model_of_another_shape_is_refused_with_the_first_tensor_and_unchanged(tmp_path: Path) -> None:
    run = small_run()
    path = Checkpointer(str(tmp_path)).save(1, run.model, run.optimizer, wait=True)
    other = Small(width=10)
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(InputError, match=r"embedding\.weight is \(7, 8\) in the checkpoint, \(7, 10\) in the model"):
        load_weights(other, path)
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())
    deeper = Small()
    deeper.more = torch.nn.Linear(3, 2)
    with pytest.raises(InputError, match=r"more\.weight \(2, 3\) is not in the checkpoint"):
        load_weights(deeper, path)
    fewer = Small()
    del fewer.norm
    with pytest.raises(InputError, match=r"norm\.bias \(8,\) of the checkpoint is not in the model"):
        load_weights(fewer, path)


def test_an_average_that_the_checkpoint_lacks_begins_at_the_weights(tmp_path: Path) -> None:
    run = small_run(average=False)
    run.step(0)
    Checkpointer(str(tmp_path)).save(1, run.model, run.optimizer, wait=True)
    again, notes = small_run(seed=1), list[str]()
    Checkpointer(str(tmp_path), on_note=notes.append).restore(again.model, again.optimizer, ema=again.averages)
    assert torch.equal(again.averages["up.weight"], run.model.get_parameter("up.weight"))
    assert any("no moving average" in note for note in notes)
