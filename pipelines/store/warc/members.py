"""Reads a plain or gzip file as one stream of bytes, and knows the offsets at which reading can begin again."""

import zlib
from typing import IO

CHUNK = 1 << 13
"""Bytes per read of a gzip file. Small, since each member that ends in a chunk copies the rest of the chunk."""
STEP = 1 << 20
"""Bytes that are decompressed at once, at most."""
GZIP = b"\x1f\x8b"


class Members:
    """The bytes of a file from its current position, decompressed if it is gzip. Zeros after a member are skipped.

    Reading raises EOFError if the file ends inside a gzip member, and zlib.error if a member is damaged.
    """

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle, self._end = handle, handle.tell()
        self._raw = handle.read(CHUNK)
        self.compressed = self._raw.startswith(GZIP)
        self._start, self._used = self._end, 0
        self._end += len(self._raw)
        self._member: zlib._Decompress | None = None
        self._buffer, self._at = (b"", 0) if self.compressed else (self._raw, 0)

    @property
    def offset(self) -> int | None:
        """The offset in the file at which the next byte can be read again; None inside a gzip member."""
        if not self.compressed:
            return self._start + self._used
        return self._start if self._used == 0 else None

    def more(self, *, within_member: bool = False) -> bool:
        """Return whether there are more bytes; without `within_member`, the next gzip member is opened if needed."""
        return self._at < len(self._buffer) or self._fill(within_member)

    def readline(self, limit: int, *, within_member: bool = False) -> bytes:
        """Return the bytes up to the next line feed, that included, or `limit` bytes; empty at the end."""
        parts: list[bytes] = []
        while limit > 0 and self.more(within_member=within_member):
            stop = self._buffer.find(b"\n", self._at, self._at + limit) + 1
            parts.append(self._take(stop - self._at if stop else limit))
            limit -= len(parts[-1])
            if stop:
                break
        return b"".join(parts)

    def next_line(self, limit: int) -> tuple[bytes, int | None]:
        """Return the next line that is not blank (empty at the end of the file), and the offset of a reader for it.

        The offset is None if the line is inside a gzip member, after other lines than blank ones.
        """
        offset: int | None = None
        while self.more():
            offset = offset if self.offset is None else self.offset
            line = self.readline(limit)
            if line.strip():
                return line, offset
        return b"", None

    def peek_line(self, limit: int) -> bytes:
        """Return the next line of the gzip member or plain file that is not blank, without reading it."""
        lines: list[bytes] = []
        while line := self.readline(limit, within_member=True):
            lines.append(line)
            if line.strip():
                break
        self.unread(b"".join(lines))
        return line

    def read(self, size: int, *, within_member: bool = False) -> bytes:
        """Return `size` bytes; fewer at the end of the file, or with `within_member` at the end of the gzip member."""
        parts: list[bytes] = []
        while size > 0 and self.more(within_member=within_member):
            parts.append(self._take(size))
            size -= len(parts[-1])
        return b"".join(parts)

    def skip(self, size: int) -> int:
        """Skip bytes; return how many were there."""
        left = size
        while left > 0 and self.more():
            left -= len(self._take(min(left, STEP)))
        return size - left

    def unread(self, data: bytes) -> None:
        """Put the bytes that were read last back; they must be of the current gzip member."""
        self._buffer, self._at = data + self._buffer[self._at :], 0
        self._used -= len(data)

    def _take(self, size: int) -> bytes:
        found = self._buffer[self._at : self._at + size]
        self._at += len(found)
        self._used += len(found)
        return found

    def _fill(self, within_member: bool) -> bool:
        """Read more bytes into the empty buffer; return whether there are any."""
        self._buffer, self._at = b"", 0
        if not self.compressed:
            self._buffer = self._handle.read(STEP)
            return bool(self._buffer)
        while not self._buffer:
            if within_member and self._member is None:
                return False
            if not self._raw:
                self._raw = self._handle.read(CHUNK)
                self._end += len(self._raw)
                if not self._raw:
                    return self._drain()
            if self._member is None:
                self._raw = self._raw.lstrip(b"\0")
                if not self._raw:
                    continue
                self._member, self._start, self._used = zlib.decompressobj(31), self._end - len(self._raw), 0
            self._buffer = self._member.decompress(self._raw, STEP)
            self._raw = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            self._member = None if self._member.eof else self._member
        return True

    def _drain(self) -> bool:
        """At the end of the file, take what the open gzip member still holds; return whether that is any."""
        if self._member is None:
            return False
        self._buffer = self._member.decompress(b"", STEP)
        if self._member.eof:
            self._member = None
        elif not self._buffer:
            raise EOFError("the last gzip member is cut off")
        return bool(self._buffer)
