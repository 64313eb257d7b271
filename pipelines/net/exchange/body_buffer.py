"""Holds the bodies that are being read: in memory up to a budget of the process, in temporary files beyond it.

Without a budget, 128 servers that send 30 MB each and then stall would hold 4 GB. With one alone, they would keep all
others from being read. A file on disk is slower, but delays nobody.
"""

import tempfile
import threading
from dataclasses import dataclass, field
from typing import IO

from corpusloom.schemas.errors import raise_shortage

MEMORY = 64_000_000
"""Bytes of bodies in progress that a process holds in memory."""


FREE = 65_536
"""Bytes of a body that are held without being counted: most images, at most 8 MB over 128 connections."""


@dataclass
class MemoryBudget:
    """Bytes in memory, over all event loops of a process."""

    limit: int
    held: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, size: int) -> bool:
        """Reserve bytes; return False if fewer are left."""
        with self._lock:
            if self.held + size > self.limit:
                return False
            self.held += size
            return True

    def give(self, size: int) -> None:
        """Return reserved bytes."""
        with self._lock:
            self.held -= size


BODIES = MemoryBudget(MEMORY)
"""The budget of this process."""


class BodyBuffer:
    """One body that is being read; a context manager that frees its memory or its file at the end."""

    __slots__ = ("_budget", "_file", "_parts", "_reserved", "size")

    def __init__(self, budget: MemoryBudget = BODIES) -> None:
        self.size = 0
        """Bytes so far."""
        self._budget, self._reserved = budget, 0
        self._parts: list[bytes] = []
        self._file: IO[bytes] | None = None

    def __enter__(self) -> "BodyBuffer":
        return self

    def __exit__(self, *_: object) -> None:
        self._free_memory()
        if self._file is not None:
            self._file.close()

    def append(self, chunk: bytes) -> None:
        """Add bytes, to the file if the memory of the process is used up; ShortageError if the disk is full too."""
        self.size += len(chunk)
        if self._file is None and (self.size <= FREE or self._reserve()):
            self._parts.append(chunk)
            return
        try:
            self._write(chunk)
        except OSError as error:
            raise_shortage(error, tempfile.gettempdir())
            raise

    def _reserve(self) -> bool:
        """Reserve the bytes beyond the free ones; return False if the process has no memory left for them."""
        missing = self.size - FREE - self._reserved
        if not self._budget.take(missing):
            return False
        self._reserved += missing
        return True

    def _write(self, chunk: bytes) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
            self._file.writelines(self._parts)
            self._free_memory()
        self._file.write(chunk)

    def read(self, limit: int) -> bytes:
        """Return the body up to `limit` bytes."""
        if self._file is not None:
            self._file.seek(0)
            return self._file.read(limit)
        if len(self._parts) == 1 and self.size <= limit:
            return self._parts[0]
        return b"".join(self._parts)[:limit]

    def _free_memory(self) -> None:
        if self._reserved:
            self._budget.give(self._reserved)
        self._parts, self._reserved = [], 0
