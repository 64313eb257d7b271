"""The loader: one rank's share of a dataset or a mixture, resumable at the exact sample on any world size."""

import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from multiprocessing.context import get_spawning_popen
from multiprocessing.reduction import DupFd
from typing import Any

import numpy as np

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.stream.batches.batches import Batches, open_batches
from corpusloom.trainers.stream.cursor import Cursor
from corpusloom.trainers.stream.dataloader.loader_state import check_same_workers, is_loader_state, merge_workers
from corpusloom.trainers.stream.dataloader.passes import Origin, Passes
from corpusloom.trainers.stream.dataloader.worker import register_iterable, this_worker
from corpusloom.trainers.stream.dataloader.worker_share import WorkerShare
from corpusloom.trainers.stream.errors import reason_of
from corpusloom.trainers.stream.order.global_order import GlobalOrder
from corpusloom.trainers.stream.order.mixing import Mixture
from corpusloom.trainers.stream.plan import SKIPPABLE, BatchPlan, SamplePlace, Transform, check_on_error
from corpusloom.trainers.stream.reading.annotated_rows import AnnotatedRows
from corpusloom.trainers.stream.reading.cache import CacheConfig
from corpusloom.trainers.stream.reading.prefetch import Prefetcher
from corpusloom.trainers.stream.reading.remote_files import RetryConfig
from corpusloom.trainers.stream.sample_reader import ReaderConfig, SampleReader
from corpusloom.trainers.stream.samples.draws import SampleDraws
from corpusloom.trainers.stream.samples.typed import TypedSample

STATE_VERSION = 1
LOCATED = 256
"""Positions located at once."""
SKIPPED_LISTED = 1000


class StreamingDataset:
    """Samples of a dataset or a mixture, in one global order whatever the world size.

    Position p of an epoch's global order belongs to rank p mod world_size. `iter()` yields this rank's share of the
    epoch from the current position on, and ends; `batches()` goes on over the end of an epoch. The state, (epoch,
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
        min_score: float | None = None,
        shuffle: bool = True,
        block_shards: int = 16,
        on_error: str = "skip",
        verify: bool | None = None,
        cache: CacheConfig | None = None,
        retry: RetryConfig | None = None,
        transform: Transform | None = None,
        allow_addresses: tuple[str, ...] = (),
        annotated: AnnotatedRows | None = None,
    ) -> None:
        """Open the indexes of a folder, a Mixture, or {folder: weight}.

        `rank` and `world_size` default to RANK and WORLD_SIZE of the environment, else 0 and 1.
        `block_shards` is the number of shards whose samples are shuffled together.
        `min_score` leaves out pairs whose score, as `loom embed` wrote it beside the dataset, is lower or missing.
        `on_error` is skip or raise. By default the crc32c of each member is checked when its sample is made (datasets
        of format 2); `verify=True` checks its sha256, also in raw(), and `verify=False` nothing.
        `cache` keeps blocks of remote tars on a local disk and prefetches; `retry` sets deadlines of remote reads.
        `allow_addresses` are private networks (NET or NET:PORT) whose servers an index (`loom index`) may name.
        `annotated` makes each annotation of the only data set one item, an AnnotatedSample.
        `transform(sample, its generator)` is applied by iter(); batches() takes a transform of its own.
        """
        check_on_error(on_error)
        rank = int(os.environ.get("RANK", 0)) if rank is None else rank
        world_size = int(os.environ.get("WORLD_SIZE", 1)) if world_size is None else world_size
        paths, mixture = _paths_of(source)
        self.config = ReaderConfig(
            paths=tuple(paths.values()), split=split, min_score=min_score, block_shards=block_shards, verify=verify,
            cache=cache, retry=retry, allow_addresses=allow_addresses, annotated=annotated,
        )  # fmt: skip
        self._arguments: dict[str, Any] = {
            "source": source, "rng_seed": rng_seed, "rank": rank, "world_size": world_size, "split": split,
            "min_score": min_score, "shuffle": shuffle, "block_shards": block_shards, "on_error": on_error,
            "verify": verify, "cache": cache, "retry": retry, "transform": transform,
            "allow_addresses": allow_addresses, "annotated": annotated,
        }  # fmt: skip
        self.rng_seed, self.on_error, self._transform = rng_seed, on_error, transform
        self.reader = SampleReader(self.config)
        counts = {name: index.counts for name, index in zip(paths, self.reader.indexes, strict=True)}
        self.order = GlobalOrder(counts, mixture, rng_seed=rng_seed, block_shards=block_shards, shuffle=shuffle)
        self.epoch_samples = self.order.epoch_samples
        """Samples per epoch over all ranks; for a mixture, its draws until its `exhaustion`."""
        self._digests = {name: index.identity for name, index in zip(paths, self.reader.indexes, strict=True)}
        self.cursor = Cursor(rank, world_size, self.epoch_samples)
        self._open_prefetcher()
        self._passes = Passes()
        self._share = WorkerShare(self.cursor, self._passes)
        register_iterable(type(self))
        self.skipped: Counter[str] = Counter()
        """Reason -> number of samples that were skipped."""
        self.skipped_keys: deque[tuple[str, str]] = deque(maxlen=SKIPPED_LISTED)
        """(key, reason) of the samples skipped last."""

    def _open_prefetcher(self) -> None:
        share = self.cursor.rank / self.cursor.world_size
        cached = self.reader.cache is not None
        self._prefetcher = Prefetcher(self.order.shards, self.reader.open_remote, share) if cached else None

    def __len__(self) -> int:
        """Return the samples per epoch that belong to this rank."""
        return len(range(self.cursor.rank, self.epoch_samples, self.cursor.world_size))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kind of each data set: pairs, interleaved, clips or regions."""
        return tuple(index.kind for index in self.reader.indexes)

    @property
    def left_out(self) -> int:
        """Samples of all data sets that `split` and `min_score` leave out."""
        if self.config.annotated is not None:
            return 0
        return sum(int(index.shards.samples.sum()) - index.samples for index in self.reader.indexes)

    # --- state ---

    def state_dict(self) -> dict[str, Any]:
        """Return the stream's state, which is equal on all ranks after equal numbers of samples.

        Inside a DataLoader's worker the state is that worker's. In the main process this raises ConfigError once
        workers have yielded samples, because their positions are not sent back to it.
        """
        worker = this_worker()
        if worker is None and self._passes.has_passed(Origin(self.cursor.loads, self.cursor.running)):
            raise ConfigError(
                "the workers of a DataLoader moved on, and their places do not come back to the main process",
                where="stream state",
                remedy="use the stream's own batches(), or torchdata's StatefulDataLoader and its state_dict",
            )
        own = self._state()
        return own if worker is None else {**own, "loader": dict(self._share.place)}

    def _state(self) -> dict[str, Any]:
        return {
            "version": STATE_VERSION,
            "epoch": self.cursor.epoch,
            "position": self.cursor.position,
            "rng_seed": self.rng_seed,
            "samples": self.epoch_samples,
            "datasets": dict(self._digests),
            "draws": self.order.draws(self.cursor.running),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to the position of a state, saved by any rank of any world size. Iterators made before are invalid.

        The state of a torchdata StatefulDataLoader with workers is accepted as well; the run may continue with any
        number of workers.
        """
        worker, since = this_worker(), 0
        if is_loader_state(state):
            state, since = merge_workers(state)
        elif "loader" in state:  # checked first: torchdata raises a bare AssertionError for other workers
            check_same_workers(state["loader"], self._share.identity(worker) if worker else {"workers": 0})
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
            self.cursor.loads = self._passes.restart(self.cursor.running, self.cursor.loads)
        else:
            self._share.load(state.get("loader", {}))

    def _go_to(self, epoch: int, position: int, draws: Mapping[str, int], since: int) -> None:
        """Move `since` positions past a place of an epoch; raise ConfigError if the state's draws differ from ours."""
        if epoch < 0 or not 0 <= position <= self.epoch_samples:
            raise ConfigError(f"a state at epoch {epoch}, position {position} of {self.epoch_samples}")
        begin = epoch * self.epoch_samples
        if self.order.draws(begin + position) != draws:
            raise ConfigError("the mixture's weights or schedule before this point are not those of the state")
        self.cursor.epoch, self.cursor.position = epoch, position
        if since:
            self.cursor.move_to(begin + min(position + since, self.epoch_samples))

    # --- iteration ---

    def __iter__(self) -> Iterator[Any]:
        """Yield the typed samples of this rank's share of the current epoch; the next iter() is the next epoch.

        Inside a DataLoader's worker only that worker's part of the share is yielded, dealt so that the loader's batches
        come in the rank's order.
        """
        if self._transform is None:
            return self._walk(self.reader.item)
        return self._walk(partial(self._transformed, self._transform, SampleDraws(self.rng_seed)))

    def raw(self) -> Iterator[tuple[str, dict[str, bytes]]]:
        """Yield (key, {field: bytes}) as stored in the tars, in the order of iter()."""
        return self._walk(self.reader.read)

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
        """Return an endless iterator over this rank's batches, or one that ends after `epochs` epochs with this one.

        A batch holds what `transform(sample, rng)` returns, stacked as torch tensors (numpy arrays without torch), and
        "keys" (list of str) and "valid" (bool [B]). A sample that is skipped keeps its row, filled with a neighbour's
        values and valid False; a batch without a usable sample has zeros. A partial last batch is padded in the same
        way (`last="pad"`) or dropped (`"drop"`).
        Workers are threads, or with `processes` processes that assemble in shared memory. `pin` assembles in
        page-locked memory, by default when this process already uses CUDA.
        """
        plan = BatchPlan(
            batch_size=batch_size, workers=workers, prefetch=prefetch, processes=processes, pin=pin,
            on_error=on_error or self.on_error, epochs=epochs, last=last,
        )  # fmt: skip
        return open_batches(self, plan, transform)

    def __getitem__(self, at: int) -> TypedSample:
        raise ConfigError(
            "a stream has no items by number", remedy="import torch.utils.data before it is made, for a DataLoader"
        )

    def _transformed(self, transform: Transform, draws: SampleDraws, place: SamplePlace) -> Any:
        sample = self.reader.item(place)
        return transform(sample, draws.of(place.epoch, sample.key))

    def _walk(self, load: Callable[[SamplePlace], Any]) -> Iterator[Any]:
        """Return the iterator over `load(place)` for each place of this rank's share, or of this worker's part."""
        worker = this_worker()
        if worker is None:
            return self._walk_share(load)
        if self.reader.reopen_after_fork():
            self._open_prefetcher()
        return self._share.walk(worker, self._share.begin(worker), partial(self._items_at, load))

    def _walk_share(self, load: Callable[[SamplePlace], Any]) -> Iterator[Any]:
        """Yield the items of the rank's share; the cursor moves with each item that is handed out."""
        cursor, taken = self.cursor, 0
        loads, origin = cursor.loads, cursor.position
        for positions in self._rank_positions():
            for items in self._items_at(load, positions):
                taken += 1
                for item in items:
                    cursor.check_not_loaded(loads)
                    cursor.position = min(origin + taken * cursor.world_size, self.epoch_samples)
                    yield item
                    cursor.check_not_loaded(loads)
        cursor.epoch, cursor.position = cursor.epoch + 1, 0

    def _rank_positions(self) -> Iterator[np.ndarray]:
        """Yield the running positions of this rank's share of the epoch, from the current position on."""
        world = self.cursor.world_size
        begin, end = self.cursor.next_of_rank, (self.cursor.epoch + 1) * self.epoch_samples
        for start in range(begin, end, LOCATED * world):
            yield np.arange(start, min(end, start + LOCATED * world), world)

    def _items_at(self, load: Callable[[SamplePlace], Any], positions: np.ndarray) -> Iterator[list[Any]]:
        """Yield one list per running position: [load(place)], or [] if the sample is skipped."""
        self.prefetch(int(positions[0]))
        for place in self.order.places(positions):
            try:
                items = [load(place)]
            except SKIPPABLE as error:
                key = self.reader.key_of(place)
                if self.on_error == "raise":
                    raise self.reader.damage(place, key, error) from error
                self.note_skipped(key, error)
                items = []
            yield items

    def prefetch(self, running: int) -> None:
        """Fetch the remote blocks that follow a running position, in the background, if there is a cache."""
        if self._prefetcher is not None:
            self._prefetcher.move(running)

    def note_skipped(self, key: str, error: Exception) -> None:
        """Count and list a sample that was skipped."""
        reason = reason_of(error)
        self.skipped[reason] += 1
        self.skipped_keys.append((key, reason))
        if this_worker() is not None:
            self._passes.skip()

    @property
    def skipped_in_workers(self) -> int:
        """Number of samples that workers of a DataLoader skipped; their keys are known in the workers only."""
        return self._passes.skipped

    def close(self) -> None:
        """Close the open tars, and stop prefetching."""
        if self._prefetcher is not None:
            self._prefetcher.close()
            self._prefetcher = None
        self.reader.close()

    def __reduce__(self) -> tuple[Callable[..., "StreamingDataset"], tuple[Any, ...]]:
        if get_spawning_popen() is None:
            raise ConfigError(
                "a StreamingDataset does not travel to other processes: its place would be lost there",
                remedy="use its own batches(workers=...), or give it to a DataLoader",
            )
        cursor = self.cursor
        place = cursor.epoch, cursor.position, cursor.loads
        return _spawned, (self._arguments, place, DupFd(self._passes.descriptor))


def _paths_of(source: str | Mixture | Mapping[str, float]) -> tuple[dict[str, str], Mixture | None]:
    """Return name -> path, sorted by name, and the mixture if there are several.

    The names of {folder: weight} are numbers, so that a state stays valid when the folders move.
    """
    if isinstance(source, str):
        return {"": source}, None
    if not isinstance(source, Mixture):
        if len(source) == 1:
            return {"": next(iter(source))}, None
        named = {f"{number:03d}": path for number, path in enumerate(source)}
        source = Mixture(datasets=named, weights={name: source[path] for name, path in named.items()})
    return {name: source.datasets[name] for name in sorted(source.datasets)}, source


def _spawned(arguments: Mapping[str, Any], place: tuple[int, int, int], passes: Any) -> StreamingDataset:
    """Return the copy of a stream in a process that a DataLoader spawned."""
    stream = StreamingDataset(**arguments)
    stream.cursor.epoch, stream.cursor.position, stream.cursor.loads = place
    stream._passes = Passes(passes.detach())
    stream._share = WorkerShare(stream.cursor, stream._passes)
    return stream
