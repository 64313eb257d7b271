"""States of a StatefulDataLoader are merged if the workers' positions leave no gap, else refused with a remedy."""

from typing import Any

import pytest

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.stream.dataloader.loader_state import check_same_workers, is_loader_state, merge_workers


def loader_state(taken: list[int], chunk: int = 4, late: int = 0, world: int = 1) -> dict[str, Any]:
    """Return the state of a loader whose workers have yielded so many samples."""
    snapshots = {
        f"worker_{number}": {
            "dataset_state": {
                "epoch": 2,
                "loader": {"worker": number, "taken": count, "chunk": chunk, "world_size": world},
            }
        }
        for number, count in enumerate(taken)
    }
    return {"_steps_since_snapshot": late, "_snapshot": {"_worker_snapshots": snapshots}}


@pytest.mark.parametrize(
    ("taken", "chunk", "world", "since"),
    [([8, 4], 4, 1, 12), ([4, 4], 4, 3, 24), ([4, 2], 4, 2, 12), ([0, 0], 0, 1, 0), ([5], 4, 1, 5)],
)
def test_workers_places_without_gaps_are_one_place_of_the_stream(
    taken: list[int], chunk: int, world: int, since: int
) -> None:
    state, passed = merge_workers(loader_state(taken, chunk, world=world))
    assert (state["epoch"], passed) == (2, since)


@pytest.mark.parametrize("taken", [[4, 8], [8, 2], [3, 4]])
def test_workers_places_with_a_gap_are_refused(taken: list[int]) -> None:
    with pytest.raises(ConfigError, match="samples were skipped"):
        merge_workers(loader_state(taken))


def test_a_state_that_is_older_than_its_batches_is_refused() -> None:
    with pytest.raises(ConfigError, match="snapshot_every_n_steps=1"):
        merge_workers(loader_state([4, 4], late=1))


@pytest.mark.parametrize("state", [{"_snapshot": {}}, {"_snapshot": None, "_steps_since_snapshot": 0}])
def test_another_loaders_state_is_refused(state: dict[str, Any]) -> None:
    assert is_loader_state(state)
    with pytest.raises(ConfigError, match="not the state of a StatefulDataLoader"):
        merge_workers(state)


def test_a_worker_takes_its_own_state_only() -> None:
    own = {"worker": 1, "workers": 2, "rank": 0}
    check_same_workers({**own, "taken": 5}, own)
    with pytest.raises(ConfigError, match="workers 3, here 2"):
        check_same_workers({**own, "workers": 3}, own)
    assert not is_loader_state({"epoch": 0, "loader": own})
