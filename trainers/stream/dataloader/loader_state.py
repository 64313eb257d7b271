"""Merges the workers' states of a torchdata StatefulDataLoader into one state of the stream."""

from collections.abc import Mapping
from typing import Any

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.stream.dataloader.worker import samples_per_worker

_OWN_LOADER = "the stream's own batches() resumes with any number of workers and ranks"


def is_loader_state(state: Mapping[str, Any]) -> bool:
    """Return whether a state is a StatefulDataLoader's, not a stream's own."""
    return "_snapshot" in state


def check_same_workers(state: Mapping[str, int], own: Mapping[str, int]) -> None:
    """Raise ConfigError if a state was saved by another worker, whose chunks are not this one's."""
    for name, value in own.items():
        if state.get(name) != value:
            raise ConfigError(
                f"the state is of a DataLoader's worker with {name} {state.get(name)}, here {value}",
                where="stream state",
                remedy=f"load it with as many workers, or into the stream itself; {_OWN_LOADER}",
            )


def merge_workers(state: Mapping[str, Any]) -> tuple[Mapping[str, Any], int]:
    """Return the stream's state at the start of the pass, and the positions passed since, of a StatefulDataLoader."""
    try:
        late = state["_steps_since_snapshot"]
        workers = [worker["dataset_state"] for worker in state["_snapshot"]["_worker_snapshots"].values()]
        places = {worker["loader"]["worker"]: worker["loader"] for worker in workers}
        taken = [places[number]["taken"] for number in range(len(places))]
        chunk = max(place["chunk"] for place in places.values())
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigError("not the state of a StatefulDataLoader over a stream", where="stream state") from error
    if late:
        raise ConfigError("the loader's state is older than its batches", remedy="use snapshot_every_n_steps=1")
    if chunk and taken != samples_per_worker(len(taken), chunk, sum(taken)):
        raise ConfigError(
            "the workers' positions do not fit together: samples were skipped", where="stream state", remedy=_OWN_LOADER
        )
    return workers[0], sum(taken) * int(places[0]["world_size"])
