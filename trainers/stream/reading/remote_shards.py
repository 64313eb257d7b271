"""Reads tars on object stores and web servers by ranges, through a cache if one is configured."""

from typing import Any

from corpusloom.schemas.addresses import AddressPolicy
from corpusloom.schemas.errors import DamageError, InputError
from corpusloom.trainers.stream.errors import SampleError
from corpusloom.trainers.stream.reading.cache import BlockCache
from corpusloom.trainers.stream.reading.index import ShardIndex
from corpusloom.trainers.stream.reading.remote_files import RemoteFile, RetryConfig, replaced


class RemoteShard:
    """A tar read by ranges. Size and entity tag are requested once and compared on later reads."""

    def __init__(
        self,
        shard: ShardIndex,
        *,
        retry: RetryConfig | None = None,
        cache: BlockCache | None = None,
        policy: AddressPolicy | None = None,
    ) -> None:
        self._path, self._file, self._cache = shard.path, RemoteFile(shard.path, retry, policy), cache
        self.bytes, self._generation = shard.tar_bytes, ""
        self._tag = self._identify()
        self._name = f"{shard.path}\n{shard.tar_sha256}\n{self._tag}\n{self.bytes}"

    @property
    def identity(self) -> tuple[object, ...]:
        """Values that change if another tar replaces this one."""
        return self._tag, self.bytes

    def _identify(self) -> str:
        """Return the entity tag; DamageError if the size differs from the manifest's."""
        info = self._file.info()
        size = info.get("size")
        if size is not None and size != self.bytes:
            raise DamageError(f"{size} bytes, {self.bytes} in the manifest", where=self._path, remedy="run loom verify")
        self._generation = str(info.get("generation") or "")
        return str(info.get("ETag") or info.get("etag") or info.get("Last-Modified") or info.get("mtime") or "")

    def read(self, offset: int, size: int) -> bytes:
        """Return a range of the tar."""
        if size == 0:
            return b""
        if offset + size > self.bytes:
            raise SampleError("truncated", f"{size} bytes at {offset} of {self.bytes}")
        if self._cache is None or self._cache.paused:
            return self.fetch(offset, size)
        return self._cache.read(self._name, self.bytes, offset, size, self._fetch_checked)

    def fetch(self, offset: int, size: int) -> bytes:
        """Return a range from the server."""
        data = self._file.read(offset, offset + size, **self._if_unchanged())
        if len(data) > size:
            raise InputError("the server ignores Range", where=self._path, remedy="serve the folder with nginx")
        return data

    def warm(self, number: int) -> None:
        """Fetch a block into the cache, unless the cache has it."""
        if self._cache is not None and not self._cache.paused:
            step = self._cache.config.block_bytes
            length = min(step, self.bytes - number * step)
            self._cache.warm(self._name, number, length, self._fetch_checked)

    @property
    def blocks(self) -> int:
        """Number of the tar's blocks in the cache; 0 without a cache."""
        return 0 if self._cache is None else -(-self.bytes // self._cache.config.block_bytes)

    def _fetch_checked(self, offset: int, size: int) -> bytes:
        """Return a block of the tar that was opened; DamageError if it was replaced."""
        data = self.fetch(offset, size)
        if not self._if_unchanged() and self._identify() != self._tag:
            raise replaced(self._path)
        return data

    def _if_unchanged(self) -> dict[str, Any]:
        """Return the condition under which the server answers: a strong entity tag, or on gs:// the generation."""
        if self._generation:
            return {"generation": self._generation}
        if self._path.startswith("http") and self._tag.startswith('"'):
            return {"headers": {"If-Match": self._tag}}
        return {}

    def close(self) -> None:
        """Do nothing: no connection is held open."""
