"""Checkpoints of torch.distributed.checkpoint: {model, stream} saved by some ranks is resumed exactly by others."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.stream.order.mixing import Mixture
from tests.trainers.ranks import run_ranks

torch = pytest.importorskip("torch")
checkpoint = pytest.importorskip("torch.distributed.checkpoint")

BATCH = 3


def number(sample: Any, rng: Any) -> dict[str, Any]:
    """Return a sample's number, and a draw of its generator."""
    return {"number": int(sample.text.split()[-1]), "drawn": rng.random()}


def open_batches(folder: str, rank: int = 0, world: int = 1) -> Any:
    datasets = {"a": f"{folder}/a", "b": f"{folder}/b"}
    mixture = Mixture(datasets=datasets, weights={"a": 0.7, "b": 0.3}, schedule=((20, {"a": 0.2, "b": 0.8}),))
    return StreamingDataset(mixture, 3, rank, world).batches(BATCH, transform=number, workers=1)


def take(batches: Any, steps: int) -> Any:
    """Return the numbers and draws of the samples of some steps (steps, BATCH, 2)."""
    taken = [next(batches) for _ in range(steps)]
    batches.close()
    return torch.stack([torch.stack([batch["number"].double(), batch["drawn"]], 1) for batch in taken])


def save(batches: Any, folder: str, steps: int, group: Any = None) -> Any:
    """Take steps, and save one checkpoint of all ranks of a group."""
    seen = take(batches, steps)
    state = batches.state_dict()
    assert len(repr(state)) < 1024
    values = {"model": {"weight": torch.full((2,), float(steps))}, "stream": state}
    checkpoint.save(values, checkpoint_id=f"{folder}/checkpoint", process_group=group)
    return seen


def resume(batches: Any, folder: str, steps: int) -> Any:
    """Load into a new stream, and take further steps."""
    values = {"model": {"weight": torch.zeros(2)}, "stream": batches.state_dict()}
    checkpoint.load(values, checkpoint_id=f"{folder}/checkpoint")
    assert values["model"]["weight"].tolist() == [5.0, 5.0]
    batches.load_state_dict(values["stream"])
    return take(batches, steps)


def two_then_three(folder: str) -> dict[str, Any]:
    """Save with two of three ranks, and resume with all three."""
    rank = torch.distributed.get_rank()
    group = torch.distributed.new_group([0, 1])
    seen = torch.empty(0)
    if rank < 2:
        seen = save(open_batches(folder, rank, 2), folder, 5, group)
    torch.distributed.barrier()
    return {"before": seen, "after": resume(open_batches(folder, rank, 3), folder, 3)}


def in_order(ranks: list[Any], start: int) -> list[list[float]]:
    """Return the samples of all ranks in the global order from `start` on."""
    world = len(ranks)
    turns = sorted(range(world), key=lambda rank: (rank - start) % world)
    return torch.stack([ranks[rank].reshape(-1, 2) for rank in turns], 1).reshape(-1, 2).tolist()


@pytest.fixture
def folder(tmp_path: Path) -> str:
    from tests.trainers.stream.datasets import make_dataset, make_pairs  # heavy, and ranks do not need it

    make_dataset(tmp_path / "a", "pairs", make_pairs(31), shards=4)
    make_dataset(tmp_path / "b", "pairs", make_pairs(17, start=100), shards=2)
    return str(tmp_path)


def test_a_checkpoint_of_two_ranks_is_resumed_exactly_by_one_and_by_three(folder: str) -> None:
    truth = take(open_batches(folder), 20).reshape(-1, 2).tolist()
    ranks = run_ranks(partial(two_then_three, folder), Path(folder), 3)
    assert in_order([rank["before"] for rank in ranks[:2]], 0) == truth[:30]
    assert in_order([rank["after"] for rank in ranks], 30) == truth[30:57]
    assert in_order([resume(open_batches(folder), folder, 6)], 30) == truth[30:48]


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
def test_a_checkpoint_of_one_process_is_resumed_exactly(folder: str) -> None:
    first, rest = save(open_batches(folder), folder, 5), resume(open_batches(folder), folder, 7)
    assert torch.equal(torch.cat([first, rest]), take(open_batches(folder), 12))
