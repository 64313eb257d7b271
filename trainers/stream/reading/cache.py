"""Cache of blocks of remote tars on a local disk, shared by the ranks of a host; the least recently used is evicted.

    FOLDER/blocks/NAME.NUMBER   a block of a tar and a trailer; NAME is a hash of the tar's identity
    FOLDER/blocks/.tmp-RANDOM   a block that is being written; its writer holds a lock on it
    FOLDER/locks/00 ...         locked while a block is fetched, so that two processes do not both fetch it
    FOLDER/used                 bytes in use, blocks that are being written included; locked while it is changed

A block appears whole, by rename. Room is made before it is written, so the folder never grows past its limit. Locks
are the kernel's and end with their process: a killed process leaves at most a temporary file, which the next sweep
removes. Nothing is flushed to disk; the trailer has a checksum and the id of the machine's boot, and a block of an
earlier boot is checked before it is used. When the disk is full, blocks are not kept and reads go to the server.
"""

import contextlib
import fcntl
import os
import secrets
import struct
import threading
import time
import zlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

from corpusloom.schemas.errors import ConfigError

TRAILER = struct.Struct("<4s36sQI")
MAGIC = b"LBK1"
LOCKS = 256
LOCK_WAIT = 60.0
"""Seconds to wait for another process that fetches a block, before fetching it as well."""
PAUSE = 30.0
"""Seconds without the cache after its disk refused a block."""
HELD_OPEN = 256
LEAST_BLOCKS = 8


@lru_cache(maxsize=1024)
def _digest_of(tar: str) -> str:
    """Return the name of a tar's blocks; memoised, because every read needs it."""
    return blake2b(tar.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheConfig:
    """Folder and size of the cache of remote tars' blocks."""

    folder: str
    """Folder on a local disk; several processes and runs may share it."""
    max_bytes: int = 100 << 30
    """Largest number of bytes in the folder."""
    block_bytes: int = 4 << 20
    """Bytes per block, the unit of fetching."""

    def __post_init__(self) -> None:
        if self.block_bytes < 1:
            raise ConfigError(f"block_bytes is {self.block_bytes}", remedy="4194304 is a good size")
        if self.max_bytes < LEAST_BLOCKS * (self.block_bytes + TRAILER.size):
            raise ConfigError(
                f"max_bytes is {self.max_bytes}, with blocks of {self.block_bytes} bytes",
                where=self.folder,
                remedy=f"allow at least {LEAST_BLOCKS} blocks",
            )


class CachedBlock:
    """An open block; it can still be read after it was evicted."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, offset: int, size: int) -> bytes:
        """Return a range of the block."""
        return os.pread(self._descriptor, size, offset)

    def __del__(self) -> None:
        os.close(self._descriptor)


class BlockCache:
    """Reads ranges of tars through blocks on a local disk; safe for threads and processes, killed ones too."""

    def __init__(self, config: CacheConfig) -> None:
        self.config = config
        self.counts: Counter[str] = Counter()
        """Number of hits, fetches, bytes (fetched), and refusals (by the disk)."""
        self._blocks, self._locks = Path(config.folder, "blocks"), Path(config.folder, "locks")
        try:
            self._blocks.mkdir(parents=True, exist_ok=True)
            self._locks.mkdir(exist_ok=True)
        except OSError as error:
            raise ConfigError(f"the cache cannot be made: {error.strerror}", where=config.folder) from error
        self._open: OrderedDict[Path, CachedBlock] = OrderedDict()
        self._mutex = threading.Lock()
        self._paused_until = 0.0
        self._boot = _boot()

    @property
    def paused(self) -> bool:
        """Whether the disk refused a block within the last PAUSE seconds; reads then go to the server."""
        return time.monotonic() < self._paused_until

    def read(self, tar: str, length: int, offset: int, size: int, fetch: Callable[[int, int], bytes]) -> bytes:
        """Return a range of a tar of `length` bytes; `tar` names it, `fetch(offset, size)` reads the original."""
        step = self.config.block_bytes
        parts = []
        for number in range(offset // step, (offset + max(size, 1) - 1) // step + 1):
            begin = number * step
            start, stop = max(offset, begin), min(offset + size, begin + step)
            parts.append(self._part(tar, number, min(step, length - begin), start - begin, stop - start, fetch))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _part(
        self, tar: str, number: int, length: int, start: int, size: int, fetch: Callable[[int, int], bytes]
    ) -> bytes:
        """Return a range of one block."""
        path = self._path(tar, number)
        data = self._found(path, start, size)
        if data is not None:
            return data
        with self._fetch_lock(path):
            data = self._found(path, start, size)
            if data is not None:
                return data
            data = fetch(number * self.config.block_bytes, length)
            self.counts["fetches"] += 1
            self.counts["bytes"] += len(data)
            self._keep(path, data)
        return data[start : start + size]

    def _found(self, path: Path, start: int, size: int) -> bytes | None:
        """Return a range of a block if the cache has it; a block that was cut short is removed."""
        block = self._held(path) or self._stored(path)
        if block is None:
            return None
        data = block.read(start, size)
        if len(data) == size:
            self.counts["hits"] += 1
            return data
        with self._mutex:
            self._open.pop(path, None)
        path.unlink(missing_ok=True)
        return None

    def warm(self, tar: str, number: int, length: int, fetch: Callable[[int, int], bytes]) -> None:
        """Fetch a block, unless the cache has it."""
        if not self._path(tar, number).exists():
            self._part(tar, number, length, 0, 0, fetch)

    def _path(self, tar: str, number: int) -> Path:
        return self._blocks / f"{_digest_of(tar)}.{number}"

    def _held(self, path: Path) -> CachedBlock | None:
        with self._mutex:
            block = self._open.get(path)
            if block is not None:
                self._open.move_to_end(path)
            return block

    def _stored(self, path: Path) -> CachedBlock | None:
        """Open a block of the folder and mark it as used; a block that a crash damaged is removed."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        block = CachedBlock(descriptor)
        if not _is_whole(descriptor, self._boot):
            path.unlink(missing_ok=True)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        with self._mutex:
            self._open[path] = block
            while len(self._open) > HELD_OPEN:
                self._open.popitem(last=False)
        return block

    def _keep(self, path: Path, data: bytes) -> None:
        """Store a block; if the disk refuses, pause the cache."""
        temporary: Path | None = None
        try:
            temporary, descriptor = self._reserve(len(data) + TRAILER.size)
            try:
                trailer = TRAILER.pack(MAGIC, self._boot, len(data), zlib.crc32(data))
                _write_all(descriptor, data + trailer)
                os.rename(temporary, path)
            finally:
                os.close(descriptor)
        except OSError:
            self.counts["refusals"] += 1
            self._paused_until = time.monotonic() + PAUSE
            if temporary is not None:
                temporary.unlink(missing_ok=True)

    def _reserve(self, size: int) -> tuple[Path, int]:
        """Make room, count it as used, and open a locked temporary file of that size."""
        with self._used_bytes() as used_file:
            noted = os.pread(used_file, 32, 0)
            used = int(noted) if noted.isdigit() else self.config.max_bytes  # a new or damaged file: count the blocks
            if used + size > self.config.max_bytes:
                used = self._sweep(size)
            _write_all(used_file, b"%032d" % (used + size), 0)
            path = self._blocks / f".tmp-{secrets.token_hex(8)}"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            try:
                os.ftruncate(descriptor, size)
            except OSError:
                os.close(descriptor)
                path.unlink()
                raise
        return path, descriptor

    def _sweep(self, wanted: int) -> int:
        """Remove the least recently used blocks until `wanted` bytes fit and a tenth is free; return the bytes left."""
        found: list[tuple[float, int, str]] = []
        total = 0
        for entry in os.scandir(self._blocks):
            with contextlib.suppress(FileNotFoundError):
                status = entry.stat()
                if entry.name.startswith(".tmp-"):
                    total += 0 if _remove_orphan(entry.path) else status.st_size
                else:
                    total += status.st_size
                    found.append((status.st_mtime, status.st_size, entry.path))
        limit = max(0, min(self.config.max_bytes - wanted, self.config.max_bytes * 9 // 10))
        for _, size, path in sorted(found):
            if total <= limit:
                break
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            with self._mutex:
                self._open.pop(Path(path), None)
            total -= size
        return total

    @contextlib.contextmanager
    def _used_bytes(self) -> Iterator[int]:
        descriptor = os.open(Path(self.config.folder, "used"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _fetch_lock(self, path: Path) -> Iterator[None]:
        """Wait while another thread or process fetches this block, for LOCK_WAIT seconds at most."""
        lock = self._locks / f"{int(blake2b(path.name.encode(), digest_size=4).hexdigest(), 16) % LOCKS:02x}"
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError:  # the disk is full or the folder is gone: fetch without the lock, perhaps twice
            yield
            return
        try:
            until = time.monotonic() + LOCK_WAIT
            while not _try_lock(descriptor) and time.monotonic() < until:
                time.sleep(0.002)
            yield
        finally:
            os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_orphan(path: str) -> bool:
    """Remove a temporary file whose writer has ended; return whether it had."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        if _try_lock(descriptor):
            os.unlink(path)
            return True
        return False
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes, offset: int = 0) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def _boot() -> bytes:
    """Return the id of this boot of the machine; empty without one, so that every block is checked."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()[:36]
    return b""


def _is_whole(descriptor: int, boot: bytes) -> bool:
    """Check a block's trailer, and its bytes if it was written before the last boot."""
    size = os.fstat(descriptor).st_size - TRAILER.size
    if size < 0:
        return False
    magic, written_in, length, checksum = TRAILER.unpack(os.pread(descriptor, TRAILER.size, size))
    if magic != MAGIC or length != size:
        return False
    if boot and written_in.rstrip(b"\0") == boot:
        return True
    return zlib.crc32(os.pread(descriptor, size, 0)) == checksum
