"""The global order of a stream: the data set and sample at each running position."""

from collections import OrderedDict
from collections.abc import Mapping

import numpy as np

from corpusloom.trainers.stream.order.epoch_order import EpochOrder
from corpusloom.trainers.stream.order.mixing import Mixing, Mixture
from corpusloom.trainers.stream.plan import SamplePlace

_EPOCHS_HELD = 2


class GlobalOrder:
    """The order of one data set, or of a mixture, over all epochs: a function of the seed and the position alone."""

    def __init__(
        self,
        counts: Mapping[str, np.ndarray],
        mixture: Mixture | None,
        *,
        rng_seed: int,
        block_shards: int,
        shuffle: bool,
    ) -> None:
        """Take the samples per shard of each data set; `mixture` is None for a single data set."""
        self._names = tuple(counts)
        self._sources = [
            _SourceOrder(of_shards, rng_seed=rng_seed, block_shards=block_shards, shuffle=shuffle)
            for of_shards in counts.values()
        ]
        sizes = np.asarray([source.samples for source in self._sources], dtype=np.int64)
        self._mixing = None if mixture is None else Mixing(self._names, mixture)
        self.epoch_samples = int(sizes[0])
        """Samples per epoch over all ranks; for a mixture, its draws until its `exhaustion`."""
        if self._mixing is not None and mixture is not None:
            self.epoch_samples = self._mixing.epoch_length(sizes, mixture.exhaustion)

    def draws(self, running: int) -> dict[str, int]:
        """Return how many samples each data set has given before a running position."""
        counts = [running] if self._mixing is None else self._mixing.draws(running).tolist()
        return {name: int(count) for name, count in zip(self._names, counts, strict=True)}

    def places(self, positions: np.ndarray) -> list[SamplePlace]:
        """Return the places of running positions, in the order given."""
        columns = (positions, *self._locate(positions))
        return list(map(SamplePlace._make, zip(*(column.tolist() for column in columns), strict=True)))

    def shards(self, positions: np.ndarray) -> list[tuple[int, int]]:
        """Return (data set, shard) of running positions, each once, in the order of their first samples."""
        which, _, shards, _ = self._locate(positions)
        return list(dict.fromkeys(zip(which.tolist(), shards.tolist(), strict=True)))

    def _locate(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return data set, its epoch, shard and row of running positions."""
        if self._mixing is None:
            which, draws = np.zeros(len(positions), dtype=np.int64), positions
        else:
            which, draws = self._mixing.locate(positions)
        epochs, shards, rows = (np.empty(len(positions), dtype=np.int64) for _ in range(3))
        for number in np.unique(which).tolist():
            source = self._sources[number]
            mine = np.flatnonzero(which == number)
            epochs[mine], inside = np.divmod(draws[mine], source.samples)
            for epoch in np.unique(epochs[mine]).tolist():
                here = epochs[mine] == epoch
                shards[mine[here]], rows[mine[here]] = source.epoch(epoch).locate(inside[here])
        return which, epochs, shards, rows


class _SourceOrder:
    """The orders of one data set's current epochs."""

    def __init__(self, counts: np.ndarray, *, rng_seed: int, block_shards: int, shuffle: bool) -> None:
        self.samples = int(counts.sum())
        self._counts, self._rng_seed, self._block_shards, self._shuffle = counts, rng_seed, block_shards, shuffle
        self._epochs: OrderedDict[int, EpochOrder] = OrderedDict()

    def epoch(self, epoch: int) -> EpochOrder:
        """Return the order of an epoch."""
        if epoch not in self._epochs:
            self._epochs[epoch] = EpochOrder(
                self._counts,
                rng_seed=self._rng_seed,
                epoch=epoch,
                block_shards=self._block_shards,
                shuffle=self._shuffle,
            )
            while len(self._epochs) > _EPOCHS_HELD:
                self._epochs.popitem(last=False)
        return self._epochs[epoch]
