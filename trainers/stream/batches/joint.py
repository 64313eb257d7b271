"""Joins the batches of several streams, one per stream and step or one stream per step, for losses over data sets."""

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


class RoundRobinBatches(JointBatches):
    """Yields name -> batch of one stream, in turn."""

    TURN = "__turn__"

    def __init__(self, streams: Mapping[str, Batches], *, per_turn: int = 1) -> None:
        """Join the streams; each yields `per_turn` batches at a time, the accumulated batches of one step."""
        super().__init__(streams)
        self._per_turn, self._yielded = per_turn, 0

    @property
    def cycle(self) -> int:
        """Number of turns after which each stream had one."""
        return len(self.streams)

    def __next__(self) -> dict[str, Any]:
        name = list(self.streams)[self._yielded // self._per_turn % self.cycle]
        self._yielded += 1
        return {name: next(self.streams[name])}

    def state_dict(self) -> dict[str, Any]:
        """Return the state of each stream by its name, and the number of batches so far."""
        return {**super().state_dict(), self.TURN: {"batches": self._yielded, "streams": list(self.streams)}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load the state of each stream by its name; ConfigError for streams in another order."""
        turn = state.get(self.TURN, {"batches": 0, "streams": None})
        if turn["streams"] != list(self.streams):
            raise ConfigError(
                f"the state has turns of {turn['streams']}, the run of {list(self.streams)}",
                where="stream state",
                remedy="resume with the same data.mixing and the same --data in the same order",
            )
        super().load_state_dict({name: value for name, value in state.items() if name != self.TURN})
        self._yielded = int(turn["batches"])
