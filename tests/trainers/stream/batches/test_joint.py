"""Batches of several streams at once: one per stream and step, each stream at its own place."""

from pathlib import Path

import pytest

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.stream.batches.joint import JointBatches, RoundRobinBatches
from corpusloom.trainers.stream.dataset import StreamingDataset
from tests.trainers.stream.batches.test_batches import number, pairs, write_dataset


def test_each_stream_goes_on_at_its_own_place(tmp_path: Path) -> None:
    paths = {"a": write_dataset(tmp_path / "a", pairs(31)), "b": write_dataset(tmp_path / "b", pairs(23, "other"))}

    def make() -> JointBatches:
        return JointBatches(
            {name: StreamingDataset(path).batches(3, transform=number, workers=1) for name, path in paths.items()}
        )

    first = make()
    for _ in range(4):
        next(first)
    second = make()
    second.load_state_dict(first.state_dict())
    assert {name: batch["keys"] for name, batch in next(first).items()} == {
        name: batch["keys"] for name, batch in next(second).items()
    }
    with pytest.raises(ConfigError, match="the state is of"):
        first.load_state_dict({"a": {}})


def test_in_a_round_robin_each_stream_has_its_turn_and_a_loaded_state_goes_on_with_the_next(tmp_path: Path) -> None:
    paths = {"a": write_dataset(tmp_path / "a", pairs(31)), "b": write_dataset(tmp_path / "b", pairs(23, "other"))}

    def make(order: str = "ab", per_turn: int = 2) -> RoundRobinBatches:
        streams = {name: StreamingDataset(paths[name]).batches(3, transform=number, workers=0) for name in order}
        return RoundRobinBatches(streams, per_turn=per_turn)

    first, joint = make(), JointBatches(make().streams)
    batches = [next(first) for _ in range(5)]
    assert [list(batch) for batch in batches] == [["a"], ["a"], ["b"], ["b"], ["a"]]
    assert batches[2]["b"]["keys"] == next(joint)["b"]["keys"]
    second = make()
    second.load_state_dict(first.state_dict())
    for _ in range(4):
        (name, batch), (again, same) = *next(first).items(), *next(second).items()
        assert (name, batch["keys"]) == (again, same["keys"])
    for other in (make("ba"), joint):
        with pytest.raises(ConfigError, match=r"the state (has turns|is) of"):
            other.load_state_dict(first.state_dict())
