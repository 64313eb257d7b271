"""Joins the batches of several streams, one per stream and step, for a weighted sum of losses over data sets."""

from collections.abc import Mapping
from typing import Any

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.stream.batches.batches import Batches


class JointBatches:
    """Yields name -> batch, one batch of each stream per step."""

    def __init__(self, streams: Mapping[str, Batches]) -> None:
        self.streams = dict(streams)

    def __iter__(self) -> "JointBatches":
        return self

    def __next__(self) -> dict[str, Any]:
        return {name: next(stream) for name, stream in self.streams.items()}

    def close(self) -> None:
        """End the workers of all streams."""
        for stream in self.streams.values():
            stream.close()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of each stream by its name."""
        return {name: stream.state_dict() for name, stream in self.streams.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load the state of each stream by its name."""
        if set(state) != set(self.streams):
            raise ConfigError(
                f"the state is of {sorted(state)}, the run of {sorted(self.streams)}", where="stream state"
            )
        for name, stream in self.streams.items():
            stream.load_state_dict(state[name])
