"""The cursor of a rank: the current position of a stream in the global order."""

from corpusloom.schemas.errors import ConfigError


class Cursor:
    """Epoch and position of a stream in the global order; every `world_size`-th sample of the order is this rank's.

    A running position counts on over epochs: epoch * epoch_samples + position.
    """

    def __init__(self, rank: int, world_size: int, epoch_samples: int) -> None:
        if not 0 <= rank < world_size:
            raise ConfigError(f"rank {rank} of world size {world_size}", remedy="0 <= rank < world_size")
        self.rank, self.world_size, self.epoch_samples = rank, world_size, epoch_samples
        self.epoch, self.position = 0, 0
        self.loads = 0
        """Number of states loaded; iterators made before the last load are invalid."""

    @property
    def running(self) -> int:
        """Running position of the next sample of any rank."""
        return self.epoch * self.epoch_samples + self.position

    @property
    def next_of_rank(self) -> int:
        """Running position of this rank's next sample."""
        return self.running + (self.rank - self.position) % self.world_size

    @property
    def left(self) -> int:
        """Number of this rank's samples from here to the end of the epoch."""
        first = self.position + (self.rank - self.position) % self.world_size
        return len(range(first, self.epoch_samples, self.world_size))

    def move_to(self, running: int) -> None:
        """Move to a running position."""
        self.epoch, self.position = divmod(running, self.epoch_samples)

    def check_not_loaded(self, loads: int) -> None:
        """Raise ConfigError when a state was loaded after an iterator noted the number of loads."""
        if loads != self.loads:
            raise ConfigError("a state was loaded while an iterator ran", remedy="make a new iterator after loading")
