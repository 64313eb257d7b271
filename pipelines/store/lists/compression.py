"""Opens lists that may be compressed by gzip, bzip2 or Zstandard, which their first bytes tell."""

import bz2
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

import zstandard

from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError, raise_shortage

BLOCK = 1 << 18
"""Bytes that are read at once."""
FRAME_BLOCK = 1 << 12
"""Bytes of a Zstandard frame that are decompressed at once: at most 128 MB, since 4 bytes can stand for 128 KB."""


class ByteStream(io.RawIOBase):
    """A file whose content is the blocks of an iterator; `source` is closed with it."""

    def __init__(self, blocks: Iterator[bytes], source: IO[bytes]) -> None:
        super().__init__()
        self._blocks, self._source = blocks, source
        self._held, self._read = b"", 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the number of bytes that were read."""
        return self._read

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with the next bytes; return their number, 0 at the end."""
        while not self._held:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._held = block
        count = min(len(buffer), len(self._held))
        buffer[:count], self._held = self._held[:count], self._held[count:]
        self._read += count
        return count

    def close(self) -> None:
        """Close the file."""
        self._source.close()
        super().close()


def open_list(path: str) -> IO[bytes]:
    """Open a list for reading from its beginning, decompressed; damage is an InputError where it is read."""
    handle = storage.open_input(path)
    head = handle.read(4)
    handle.seek(0)
    for magic, blocks_of in _READERS.items():
        if head.startswith(magic):
            return io.BufferedReader(ByteStream(_checked(blocks_of(handle), path), handle), BLOCK)
    return io.BufferedReader(handle, BLOCK)  # type: ignore[type-var]


def _checked(blocks: Iterator[bytes], path: str) -> Iterator[bytes]:
    """Yield blocks; damage of compressed data is an InputError that names the file and the place."""
    size = 0
    try:
        for block in blocks:
            yield block
            size += len(block)
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        raise_shortage(error, path)
        what = f"its compressed data are damaged or cut off, after {size:,} bytes of text"
        raise InputError(what, where=path, remedy="get the list again") from error


def _of_gzip(handle: IO[bytes]) -> Iterator[bytes]:
    return _blocks(gzip.GzipFile(fileobj=handle))


def _of_bzip2(handle: IO[bytes]) -> Iterator[bytes]:
    return _blocks(bz2.BZ2File(handle))


def _blocks(handle: Any) -> Iterator[bytes]:
    while block := handle.read(BLOCK):
        yield block


def _of_zstandard(handle: IO[bytes]) -> Iterator[bytes]:
    """Yield the content of all frames; one that is cut off is an EOFError."""
    frame = None
    while data := handle.read(FRAME_BLOCK):
        while data:
            frame = frame or zstandard.ZstdDecompressor().decompressobj()
            yield frame.decompress(data)
            data = b""
            if frame.eof:
                data, frame = frame.unused_data, None
    if frame is not None:
        raise EOFError("the last frame is cut off")


_READERS: dict[bytes, Callable[[IO[bytes]], Iterator[bytes]]] = {
    b"\x1f\x8b": _of_gzip,
    b"BZh": _of_bzip2,
    b"\x28\xb5\x2f\xfd": _of_zstandard,
}
"""First bytes of compressed data -> the function that yields their content."""
