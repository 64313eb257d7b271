"""The loader: one rank's share of a dataset or a mixture, resumable at the exact sample on any world size."""

import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from multiprocessing.context import get_spawning_popen
from multiprocessing.reduction import DupFd
from typing import Any

import numpy as np

from corpusloom.schemas.errors import ConfigError, DamageError, InputError
from corpusloom.trainers.stream.batches.batches import Batches
from corpusloom.trainers.stream.batches.collate import SKIPPABLE, Plan, Transform
from corpusloom.trainers.stream.samples.image_ops import SampleDraws
from corpusloom.trainers.stream.samples.typed import Sample, make_sample
from corpusloom.trainers.stream.dataloader_workers import (
    Origin,
    Passes,
    Worker,
    asked_at_once,
    check_same_workers,
    dealt,
    know_iterable,
    merged,
    of_each,
    this_worker,
)
from corpusloom.trainers.stream.errors import reason_of
from corpusloom.trainers.stream.order.mixing import Mixing, Mixture
from corpusloom.trainers.stream.order.sources import Place, Source
from corpusloom.trainers.stream.reading.cache import BlockCache, CacheConfig
from corpusloom.trainers.stream.reading.index import open_index
from corpusloom.trainers.stream.reading.prefetch import Ahead, NothingToFetch
from corpusloom.trainers.stream.reading.remote_files import RetryConfig
from corpusloom.trainers.stream.reading.remote_shards import RemoteShard
from corpusloom.trainers.stream.reading.shard_files import ShardFiles, read_members, verify_members

STATE_VERSION = 1
PLAN = 256
"""Positions that are located at once."""
SKIPPED_LISTED = 1000


class StreamingDataset:
    """Samples of a dataset or a mixture, in one global order whatever the world size.

    Position p of an epoch's global order belongs to rank p mod world_size. `iter()` yields this rank's share of the
    epoch from the current position on, and ends; `batches()` runs on over the epoch's border. The state, (epoch,
    global position, draws of each data set), is the same on all ranks after equal numbers of samples.
    """

    def __init__(
        self,
        source: str | Mixture | Mapping[str, float],
        rng_seed: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
        *,
        split: str | None = None,
        shuffle: bool = True,
        block_shards: int = 16,
        on_error: str = "skip",
        verify: bool = False,
        cache: CacheConfig | None = None,
        retry: RetryConfig | None = None,
        transform: Transform | None = None,
    ) -> None:
        """Open the indexes of a folder, a Mixture, or {folder: weight}.

        rank and world_size default to RANK and WORLD_SIZE of the environment, else 0 and 1.

        `verify` checks each member's sha256 as it is read. `on_error` is skip or raise. `cache` keeps blocks of
        remote tars on a local disk and fetches ahead; `retry` says how reads of remote tars are tried.
        `transform` is what iter() makes of a sample, (sample, its generator) -> anything.
        """
        self.rank = int(os.environ.get("RANK", 0)) if rank is None else rank
        self.world_size = int(os.environ.get("WORLD_SIZE", 1)) if world_size is None else world_size
        if not 0 <= self.rank < self.world_size:
            raise ConfigError(f"rank {self.rank} of world size {self.world_size}", remedy="0 <= rank < world_size")
        if block_shards < 1:
            raise ConfigError(f"block_shards {block_shards}", remedy="use 1 or more")
        _check_on_error(on_error)
        self.recipe: dict[str, Any] = {
            "source": source, "rng_seed": rng_seed, "rank": self.rank, "world_size": self.world_size, "split": split,
            "shuffle": shuffle, "block_shards": block_shards, "on_error": on_error, "verify": verify, "cache": cache,
            "retry": retry,
        }  # fmt: skip
        """What opens the same dataset in another process."""
        self.rng_seed, self._on_error, self._verify, self._transform = rng_seed, on_error, verify, transform
        mixture = _mixture_of(source)
        paths = {"": mixture} if isinstance(mixture, str) else dict(mixture.datasets)
        names = tuple(sorted(paths))
        self.sources = [
            Source(name, open_index(paths[name], split), rng_seed=rng_seed, block_shards=block_shards, shuffle=shuffle)
            for name in names
        ]
        sizes = np.asarray([source.samples for source in self.sources], dtype=np.int64)
        self._mixing = None if isinstance(mixture, str) else Mixing(names, mixture)
        self.epoch_samples = int(sizes[0])
        """Samples of one epoch over all ranks; of a mixture, its draws until its `exhaustion`."""
        if self._mixing is not None and not isinstance(mixture, str):
            self.epoch_samples = self._mixing.epoch_length(sizes, mixture.exhaustion)
        self._epoch, self._position, self._moves = 0, 0, 0
        self._cache = cache if cache is not None and self._check_cache(cache, block_shards) else None
        self._open_files()
        self._passes = Passes()
        self._in_worker: dict[str, int] = {}
        """Inside a DataLoader's worker: its place in the pass."""
        self._origin: Origin | None = None
        """Inside a DataLoader's worker: where the main process stood when it started it."""
        self._loaded = False
        """Inside a DataLoader's worker: whether its next pass begins with a state that was loaded there."""
        know_iterable(type(self))
        self.skipped: Counter[str] = Counter()
        """Reason -> samples that were skipped."""
        self.skipped_keys: deque[tuple[str, str]] = deque(maxlen=SKIPPED_LISTED)
        """(key, reason) of the latest of them."""

    def _open_files(self) -> None:
        """Make what a process has of its own: open tars, locks, threads."""
        self._pid = os.getpid()
        blocks = None if self._cache is None else BlockCache(self._cache)
        self._files = ShardFiles(cache=blocks, retry=self.recipe["retry"])
        self._ahead = Ahead(self._shards_of, self._opened, self.rank / self.world_size) if blocks else None

    def _check_cache(self, cache: CacheConfig, block_shards: int) -> bool:
        """Say whether any data set is remote; ConfigError when their windows do not fit, for then none is kept."""
        window = sum(source.index.remote_window(block_shards) for source in self.sources)
        if window > cache.max_bytes:
            raise ConfigError(
                f"max_bytes {cache.max_bytes}, but {block_shards} shards, which are read together, take {window}",
                where=cache.folder,
                remedy="allow more, or lower block_shards",
            )
        return window > 0

    def __len__(self) -> int:
        """Samples of one epoch that belong to this rank."""
        return len(range(self.rank, self.epoch_samples, self.world_size))

    @property
    def kinds(self) -> tuple[str, ...]:
        """What the data sets hold."""
        return tuple(source.index.kind for source in self.sources)

    # --- state ---

    def state_dict(self) -> dict[str, Any]:
        """Return where the stream stands: equal on all ranks after equal numbers of samples.

        Inside a DataLoader's worker it is that worker's place; ConfigError in the main process when workers have moved
        on, for their places never come back to it.
        """
        worker = this_worker()
        if worker is None and self._passes.elsewhere(Origin(self._moves, self.running)):
            raise ConfigError(
                "the workers of a DataLoader moved on, and their places do not come back to the main process",
                where="stream state",
                remedy="use the stream's own batches(), or torchdata's StatefulDataLoader and its state_dict",
            )
        own = self._state()
        return own if worker is None else {**own, "loader": dict(self._in_worker)}

    def _whose(self, worker: Worker) -> dict[str, int]:
        return {"rank": self.rank, "world_size": self.world_size, "worker": worker.number, "workers": worker.workers}

    def _state(self) -> dict[str, Any]:
        return {
            "version": STATE_VERSION,
            "epoch": self._epoch,
            "position": self._position,
            "rng_seed": self.rng_seed,
            "samples": self.epoch_samples,
            "datasets": {source.name: source.index.digest for source in self.sources},
            "draws": self._draws(),
        }

    def _draws(self) -> dict[str, int]:
        running = self._epoch * self.epoch_samples + self._position
        counts = [running] if self._mixing is None else self._mixing.draws(running).tolist()
        return {source.name: int(count) for source, count in zip(self.sources, counts, strict=True)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to where a state was taken, by any rank of any world size. Iterators made before are void.

        The state of a torchdata StatefulDataLoader with workers is taken as well: then any number of workers goes on.
        """
        worker, since = this_worker(), 0
        if "_snapshot" in state:
            state, since = merged(state)
        elif "loader" in state:  # at once: what torchdata itself says of other workers is no more than AssertionError
            check_same_workers(state["loader"], self._whose(worker) if worker else {"workers": 0})
        own = self._state()
        for name in ("version", "rng_seed", "samples", "datasets"):
            if state.get(name) != own[name]:
                raise ConfigError(
                    f"the state is of another stream: {name} {state.get(name)!r}, here {own[name]!r}",
                    where="stream state",
                    remedy="resume with the datasets and seed that the run began with",
                )
        self._go_to(int(state["epoch"]), int(state["position"]), dict(state["draws"]), since)
        if worker is None:
            self._moves = self._passes.restart(self.running, self._moves)
        else:
            self._moves, self._loaded, self._origin = self._moves + 1, True, self._origin or Origin(-1, 0)
            self._in_worker = {"chunk": 0, "taken": 0, **state.get("loader", {})}

    def _go_to(self, epoch: int, position: int, draws: Mapping[str, int], since: int) -> None:
        """Move to a place, and `since` positions on in its epoch; ConfigError when its draws were others."""
        if epoch < 0 or not 0 <= position <= self.epoch_samples:
            raise ConfigError(f"a state at epoch {epoch}, position {position} of {self.epoch_samples}")
        previous = self._epoch, self._position
        self._epoch, self._position = epoch, position
        if self._draws() != draws:
            self._epoch, self._position = previous
            raise ConfigError("the mixture's weights or schedule before this point are not those of the state")
        if since:
            running = epoch * self.epoch_samples + min(position + since, self.epoch_samples)
            self._epoch, self._position = divmod(running, self.epoch_samples)

    # --- iteration ---

    def places(self, positions: np.ndarray) -> list[Place]:
        """Return the places of running positions (epoch * epoch_samples + position), in the order given."""
        columns = (positions, *self._located(positions))
        return list(map(Place._make, zip(*(column.tolist() for column in columns), strict=True)))

    def _located(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return data set, its epoch, shard and row of running positions."""
        if self._mixing is None:
            which, draws = np.zeros(len(positions), dtype=np.int64), positions
        else:
            which, draws = self._mixing.locate(positions)
        epochs, shards, rows = (np.empty(len(positions), dtype=np.int64) for _ in range(3))
        for number in np.unique(which).tolist():
            source = self.sources[number]
            mine = np.flatnonzero(which == number)
            epochs[mine], inside = np.divmod(draws[mine], source.samples)
            for epoch in np.unique(epochs[mine]).tolist():
                here = epochs[mine] == epoch
                shards[mine[here]], rows[mine[here]] = source.locate(epoch, inside[here])
        return which, epochs, shards, rows

    def read(self, place: Place) -> tuple[str, dict[str, bytes]]:
        """Return the key and the raw members of one sample."""
        shard = self.sources[place.dataset].shard(place.shard, verify=self._verify)
        row = place.row if shard.rows is None else int(shard.rows[place.row])
        members = read_members(self._files.get(shard), shard, row)
        if self._verify and shard.hashes is not None:
            digests = shard.hashes[shard.starts[row] : shard.starts[row + 1]].to_pylist()
            verify_members(shard, row, members, digests)
        return shard.key(row), members

    def sample(self, place: Place) -> Sample:
        """Return one typed sample; SampleError carries why there is none."""
        key, members = self.read(place)
        return make_sample(self.sources[place.dataset].index.kind, key, members)

    def _shards_of(self, positions: np.ndarray) -> list[tuple[int, int]]:
        """Return the data sets and shards of running positions, each once, in the order of their first samples."""
        which, _, shards, _ = self._located(positions)
        return list(dict.fromkeys(zip(which.tolist(), shards.tolist(), strict=True)))

    def _opened(self, shard: tuple[int, int]) -> RemoteShard | NothingToFetch:
        dataset, number = shard
        reader = self._files.get(self.sources[dataset].shard(number, verify=self._verify))
        return reader if isinstance(reader, RemoteShard) else NothingToFetch()

    def look_ahead(self, running: int) -> None:
        """Have what follows a running position fetched, where there is a cache."""
        if self._ahead is not None:
            self._ahead.move(running)

    def key_of(self, place: Place) -> str:
        """Return a sample's key without reading its tar; "" when even the sidecar cannot be read."""
        try:
            shard = self.sources[place.dataset].shard(place.shard, verify=self._verify)
        except (DamageError, InputError):
            return ""
        return shard.key(place.row if shard.rows is None else int(shard.rows[place.row]))

    def damage(self, place: Place, key: str, error: Exception) -> DamageError:
        """Return the error that names a sample which cannot be used."""
        where = self.sources[place.dataset].index.path
        return DamageError(f"sample {key}: {error}", where=where, remedy="on_error='skip' leaves it out")

    def note(self, key: str, error: Exception) -> None:
        """Count and list a sample that was skipped."""
        reason = reason_of(error)
        self.skipped[reason] += 1
        self.skipped_keys.append((key, reason))
        if this_worker() is not None:
            self._passes.skip()

    @property
    def skipped_in_workers(self) -> int:
        """Samples that workers of a DataLoader skipped; which ones, only they know."""
        return self._passes.skipped

    def _share(self) -> Iterator[Place]:
        """Yield the places of this rank's share of the epoch, from the current position on."""
        begin = self._position + (self.rank - self._position) % self.world_size
        base, total = self._epoch * self.epoch_samples, self.epoch_samples
        for start in range(begin, total, PLAN * self.world_size):
            stop = min(total, start + PLAN * self.world_size)
            positions = np.arange(start, stop, self.world_size)
            self.look_ahead(base + start)
            yield from self.places(base + positions)

    def _walk(self, load: Callable[[Place], Any]) -> Iterator[Any]:
        """Return the iterator of what `load` makes of each place of this rank's share, or of a worker's part of it."""
        worker = this_worker()
        return self._walk_here(load) if worker is None else self._walk_in(worker, self._begin(worker), load)

    def _walk_here(self, load: Callable[[Place], Any]) -> Iterator[Any]:
        """Yield the rank's share, the state moving with what is handed out."""
        moves, origin = self._moves, self._position
        for taken, place in enumerate(self._share(), 1):
            for item in self._usable(load, place):
                self._check_still(moves)
                self._position = min(origin + taken * self.world_size, self.epoch_samples)
                yield item
                self._check_still(moves)
        self._epoch, self._position = self._epoch + 1, 0

    def _usable(self, load: Callable[[Place], Any], place: Place) -> list[Any]:
        """Return what `load` makes of a place; nothing, and a note, when its sample cannot be used."""
        try:
            return [load(place)]
        except SKIPPABLE as error:
            if self._on_error == "raise":
                raise self.damage(place, self.key_of(place), error) from error
            self.note(self.key_of(place), error)
            return []

    def _begin(self, worker: Worker) -> int:
        """Begin a pass in a DataLoader's worker, which may be a fork of a process that has open files and threads."""
        if os.getpid() != self._pid:
            self._open_files()
            for source in self.sources:
                source.renew()
        first, loaded = self._origin is None, self.running if self._loaded else None
        self._origin = self._origin or Origin(self._moves, self.running)
        number, start = self._passes.begin(worker, self._origin, loaded, self.epoch_samples, first=first)
        self._epoch, self._position = divmod(start, self.epoch_samples)
        if not self._loaded:
            self._in_worker = {"chunk": 0, "taken": 0, **self._whose(worker)}
        self._loaded = False
        chunk, taken = self._in_worker["chunk"], self._in_worker["taken"]
        if (
            chunk
            and self._in_worker["workers"] == worker.workers
            and taken >= of_each(worker.workers, chunk, self._left())[worker.number]
        ):
            self._passes.end(worker.number, number)
        return number

    def _left(self) -> int:
        """Return how many samples of this rank's share of the epoch come from the current position on."""
        first = self._position + (self.rank - self._position) % self.world_size
        return len(range(first, self.epoch_samples, self.world_size))

    def _walk_in(self, worker: Worker, number: int, load: Callable[[Place], Any]) -> Iterator[Any]:
        """Yield a worker's part of the rank's share: chunks as large as the DataLoader's batches."""
        moves, at, chunk = self._moves, self._in_worker["taken"], asked_at_once()
        if at:
            check_same_workers(self._in_worker, {"chunk": chunk})
        self._in_worker["chunk"] = chunk
        first = self.running + (self.rank - self._position) % self.world_size
        left = self._left()
        while len(mine := self._dealt(worker, chunk, at, left)):
            self.look_ahead(first + int(mine[0]) * self.world_size)
            for place in self.places(first + mine * self.world_size):
                at += 1
                for item in self._usable(load, place):
                    self._check_still(moves)
                    self._in_worker["taken"] = at
                    yield item
                    self._check_still(moves)
        self._in_worker["taken"] = at
        self._passes.end(worker.number, number)

    def _dealt(self, worker: Worker, chunk: int, at: int, left: int) -> np.ndarray:
        """Return the next of the rank's samples that are a worker's, of `left` in all."""
        mine = dealt(worker.number, worker.workers, chunk, np.arange(at, at + PLAN))
        return mine[mine < left]

    def _check_still(self, moves: int) -> None:
        if moves != self._moves:
            raise ConfigError("the stream was moved while an iterator ran", remedy="make a new one after loading")

    def __iter__(self) -> Iterator[Sample]:
        """Yield the typed samples of this rank's share of the current epoch, then end; the next iter() is the next.

        Inside a DataLoader's worker: that worker's part of it, so that the loader's batches are in the rank's order.
        """
        if self._transform is None:
            return self._walk(self.sample)
        return self._walk(partial(self._transformed, self._transform, SampleDraws(self.rng_seed)))

    def _transformed(self, transform: Transform, draws: SampleDraws, place: Place) -> Any:
        sample = self.sample(place)
        return transform(sample, draws.of(place.epoch, sample.key))

    def __getitem__(self, at: int) -> Sample:
        raise ConfigError(
            "a stream has no items by number", remedy="import torch.utils.data before it is made, for a DataLoader"
        )

    def raw(self) -> Iterator[tuple[str, dict[str, bytes]]]:
        """Like iter(), but (key, {field: bytes}) as they lie in the tar."""
        return self._walk(self.read)

    def batches(
        self,
        batch_size: int,
        *,
        transform: Transform,
        workers: int = 2,
        prefetch: int = 2,
        processes: bool = False,
        pin: bool | None = None,
        on_error: str | None = None,
        epochs: int | None = None,
        last: str = "pad",
    ) -> Batches:
        """Return the iterator over batches of this rank without end, or to the end of the `epochs`-th epoch from here.

        A batch holds what `transform(sample, rng)` returns, stacked as torch tensors (numpy without torch), and
        "keys" (list of str) and "valid" (bool [B]): a sample that was skipped keeps its place, filled with a
        neighbour, valid False. A partial last batch is padded likewise (`last="pad"`) or dropped (`"drop"`).
        Workers are threads, or with `processes` processes that assemble in shared memory; `pin` assembles in
        page-locked memory, by default when this process already uses CUDA.
        """
        if this_worker() is not None:
            raise ConfigError(
                "batches() inside a DataLoader's worker",
                remedy="iterate over the stream there, or use batches(workers=...) instead of the DataLoader",
            )
        _check_on_error(on_error or self._on_error)
        plan = Plan(
            batch_size=batch_size, workers=workers, prefetch=prefetch, processes=processes, pin=pin,
            on_error=on_error or self._on_error, epochs=epochs, last=last,
        )  # fmt: skip
        return Batches(self, plan, transform)

    def close(self) -> None:
        """Close the open tars, and end what fetches ahead."""
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None
        self._files.close()

    def __reduce__(self) -> tuple[Callable[..., "StreamingDataset"], tuple[Any, ...]]:
        if get_spawning_popen() is None:
            raise ConfigError(
                "a StreamingDataset does not travel to other processes: its place would be lost there",
                remedy="use its own batches(workers=...), or give it to a DataLoader",
            )
        place = self._epoch, self._position, self._moves
        return _spawned, (self.recipe, self._transform, place, DupFd(self._passes.descriptor))

    @property
    def running(self) -> int:
        """The global position over all epochs."""
        return self._epoch * self.epoch_samples + self._position

    def hand_out(self, running: int, moves: int) -> None:
        """Move to a running position, on behalf of an iterator that began at `moves`."""
        self._check_still(moves)
        self._epoch, self._position = divmod(running, self.epoch_samples)

    @property
    def moves(self) -> int:
        """How often a state was loaded."""
        return self._moves


def _mixture_of(source: str | Mixture | Mapping[str, float]) -> str | Mixture:
    """Turn {folder: weight} into a mixture whose names are numbers, so that a state outlives a move of the folders."""
    if isinstance(source, str | Mixture):
        return source
    if len(source) == 1:
        return next(iter(source))
    named = {f"{number:03d}": path for number, path in enumerate(source)}
    return Mixture(datasets=named, weights={name: source[path] for name, path in named.items()})


def _check_on_error(on_error: str) -> None:
    if on_error not in ("skip", "raise"):
        raise ConfigError(f"on_error {on_error!r}", remedy="use skip or raise")


def _spawned(
    recipe: Mapping[str, Any], transform: Transform | None, place: tuple[int, int, int], passes: Any
) -> StreamingDataset:
    """Return the copy of a stream in a process that a DataLoader spawned."""
    stream = StreamingDataset(**recipe, transform=transform)
    stream._epoch, stream._position, stream._moves = place
    stream._passes = Passes(passes.detach())
    return stream
