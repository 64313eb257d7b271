"""Reads samples by their places, through the indexes, sidecars and open tars of all data sets of a stream."""

import os
from dataclasses import dataclass

from corpusloom.schemas.addresses import AddressPolicy
from corpusloom.schemas.errors import ConfigError, DamageError, InputError
from corpusloom.schemas.urls.guarded_http import addresses_of
from corpusloom.trainers.stream.plan import SamplePlace
from corpusloom.trainers.stream.reading.annotated_rows import AnnotatedRows, AnnotatedSample
from corpusloom.trainers.stream.reading.cache import BlockCache, CacheConfig
from corpusloom.trainers.stream.reading.index import DatasetIndex, ShardIndex, open_index, tar_path
from corpusloom.trainers.stream.reading.prefetch import NothingToFetch
from corpusloom.trainers.stream.reading.remote_files import RetryConfig
from corpusloom.trainers.stream.reading.remote_shards import RemoteShard
from corpusloom.trainers.stream.reading.shard_files import ShardFiles, read_members, verify_members
from corpusloom.trainers.stream.reading.sidecars import Sidecars
from corpusloom.trainers.stream.samples.typed import TypedSample, make_sample


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderConfig:
    """Settings with which any process opens the same samples."""

    paths: tuple[str, ...]
    """Paths or URLs of the data sets' folders; a place names a data set by its number among these."""
    split: str | None = None
    """Split whose samples are read; None: all samples."""
    min_score: float | None = None
    """Least score of a pair, as `loom embed` computed it; None: all samples."""
    block_shards: int = 16
    """Shards that are read together."""
    verify: bool | None = None
    """Checks of each member's bytes. None: their crc32c when a sample is made, if the sidecar has it (format 2). True:
    their sha256, also in raw reads. False: none."""
    cache: CacheConfig | None = None
    """Cache for blocks of remote tars; None: each read goes to the server."""
    retry: RetryConfig | None = None
    """Deadlines and attempts of remote reads; None: the defaults."""
    allow_addresses: tuple[str, ...] = ()
    """Private networks, NET or NET:PORT, whose servers an index may name; `paths` may name any server."""
    annotated: AnnotatedRows | None = None
    """Annotations of the only data set, each of which is one item; None: each sample is one item."""

    def __post_init__(self) -> None:
        if self.annotated is not None and len(self.paths) > 1:
            raise ConfigError(f"annotations of {len(self.paths)} data sets", remedy="give one data set")
        if self.block_shards < 1:
            raise ConfigError(f"block_shards is {self.block_shards}", remedy="set it to 1 or more")


class SampleReader:
    """Reads the samples of several data sets by their places; safe for threads."""

    def __init__(self, config: ReaderConfig) -> None:
        self.indexes = [open_index(path, config.split, config.min_score) for path in config.paths]
        self._annotated = config.annotated
        if config.annotated is not None:
            self.indexes = [config.annotated.annotated(self.indexes[0])]
        held = 2 * config.block_shards + 2
        self._sidecars = [Sidecars(index, held, hashes=config.verify is True) for index in self.indexes]
        if config.verify:
            _refuse_without_hashes(self.indexes)
        self._verify, self._retry = config.verify, config.retry
        self._policy = AddressPolicy((*config.allow_addresses, *addresses_of(config.paths)))
        self._cache_config = _cache_that_fits(config, self.indexes)
        self._open_files()

    def _open_files(self) -> None:
        self._pid = os.getpid()
        self.cache = None if self._cache_config is None else BlockCache(self._cache_config)
        """Cache of remote blocks; None when no data set is remote, or none is configured."""
        self.files = ShardFiles(cache=self.cache, retry=self._retry, policy=self._policy)
        """The open tars."""

    def reopen_after_fork(self) -> bool:
        """Open files and locks anew in a process that was forked since; return whether it was."""
        if os.getpid() == self._pid:
            return False
        self._open_files()
        for sidecars in self._sidecars:
            sidecars.renew_lock()
        return True

    def read(self, place: SamplePlace, *, check: bool = False) -> tuple[str, dict[str, bytes]]:
        """Return the key and the raw members of a sample; `check` compares their crc32c."""
        if self._annotated is not None:
            place = self._annotated.place(place)
        shard = self._shard(place)
        row = place.row if shard.rows is None else int(shard.rows[place.row])
        members = read_members(self.files.get(shard), shard, row, check=check)
        if self._verify and shard.hashes is not None:
            digests = shard.hashes[shard.starts[row] : shard.starts[row + 1]].to_pylist()
            verify_members(shard, row, members, digests)
        return shard.key(row), members

    def sample(self, place: SamplePlace) -> TypedSample:
        """Return a typed sample; raise SampleError with the reason if it cannot be made."""
        key, members = self.read(place, check=self._verify is None)
        return make_sample(self.indexes[place.dataset].kind, key, members)

    def item(self, place: SamplePlace) -> TypedSample | AnnotatedSample:
        """Return the item of a stream: a typed sample, or with annotations one of them and its sample."""
        if self._annotated is None:
            return self.sample(place)
        annotation = self._annotated.annotation(place)
        return AnnotatedSample(annotation.key, self.sample(place), annotation)

    def key_of(self, place: SamplePlace) -> str:
        """Return an item's key without reading its tar; "" when even the sidecar cannot be read."""
        if self._annotated is not None:
            return str(self._annotated.annotation(place).key)
        try:
            shard = self._shard(place)
        except (DamageError, InputError):
            return ""
        return shard.key(place.row if shard.rows is None else int(shard.rows[place.row]))

    def damage(self, place: SamplePlace, key: str, error: Exception) -> DamageError:
        """Return the error that names a sample which cannot be used."""
        index = self.indexes[place.dataset]
        where = tar_path(index.path, index.shards[place.shard])
        return DamageError(f"sample {key}: {error}", where=where, remedy="set on_error='skip' to leave it out")

    def open_remote(self, shard: tuple[int, int]) -> RemoteShard | NothingToFetch:
        """Return the open tar of (data set, shard), for prefetching; a local tar has nothing to fetch."""
        dataset, number = shard
        reader = self.files.get(self._sidecars[dataset].shard(number))
        return reader if isinstance(reader, RemoteShard) else NothingToFetch()

    def close(self) -> None:
        """Close the open tars."""
        self.files.close()

    def _shard(self, place: SamplePlace) -> ShardIndex:
        return self._sidecars[place.dataset].shard(place.shard)


def _refuse_without_hashes(indexes: list[DatasetIndex]) -> None:
    """Raise ConfigError for an index of foreign tars that has no sha256 to check."""
    for index in indexes:
        if not all(shard.tar.sha256 for shard in index.shards):
            raise ConfigError(
                "verify needs hashes, and the index has none", where=index.path, remedy="loom index --hashes adds them"
            )


def _cache_that_fits(config: ReaderConfig, indexes: list[DatasetIndex]) -> CacheConfig | None:
    """Return the cache that is configured, if any data set is remote.

    Raises ConfigError when the cache is smaller than the shards that are read together: each block would be evicted
    before it is used again.
    """
    window = sum(index.remote_window(config.block_shards) for index in indexes)
    if config.cache is None or not window:
        return None
    if window > config.cache.max_bytes:
        raise ConfigError(
            f"max_bytes is {config.cache.max_bytes}; the {config.block_shards} shards that are read together have "
            f"{window} bytes",
            where=config.cache.folder,
            remedy="raise max_bytes, or lower block_shards",
        )
    return config.cache
