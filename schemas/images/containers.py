"""Walks the parts of an image container: JPEG segments, PNG chunks, RIFF chunks, GIF blocks, ISO media boxes.

Every walker takes time linear in the bytes that it passes and never decodes a pixel.
"""

import re
import struct
from collections.abc import Iterator

from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.images.limits import MAX_PARTS, TOO_MANY_PARTS, bounded

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
ICC = b"ICC_PROFILE\0"
"""Start of a JPEG segment with a part of an ICC profile."""
_SKIPPED = frozenset({0x00, 0x01, 0xFF, *range(0xD0, 0xD8)})
"""Second bytes of a JPEG marker that begin no segment: FF 00 is no marker, TEM and RST0 to RST7 have no length."""
_MARKER = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd7]")


@bounded
def jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, start, end) of each JPEG segment up to the first scan; `start` is the offset of the marker."""
    at, size = 2, len(data)
    while at + 4 <= size:
        marker = data[at + 1]
        if data[at] != 0xFF or marker in _SKIPPED:
            found = _MARKER.search(data, at)  # decoders skip bytes between segments, and repeated FF
            if found is None:
                break
            at = found.start()
            continue
        length = data[at + 2] << 8 | data[at + 3]
        if length < 2:
            raise ImageError("malformed_header", f"a segment of length {length}")
        yield marker, at, at + 2 + length
        if marker in (0xDA, 0xD9):
            return
        at += 2 + length
    raise ImageError("truncated_header")


@bounded
def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, start, end) of each PNG chunk, its length and checksum included."""
    at = len(PNG_SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind = data[at + 4 : at + 8]
        yield kind, at, at + 12 + length
        if kind == b"IEND":
            return
        at += 12 + length
    raise ImageError("truncated")


@bounded
def riff_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, start, end) of each chunk inside the RIFF size, its header and padding included."""
    at, size = 12, min(len(data), 8 + struct.unpack_from("<I", data, 4)[0])
    while at + 8 <= size:
        (length,) = struct.unpack_from("<I", data, at + 4)
        yield data[at : at + 4], at, at + 8 + length + (length & 1)
        at += 8 + length + (length & 1)


@bounded
def gif_blocks(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (introducer, start, end) of each GIF image (0x2C), extension (0x21) and of the trailer (0x3B)."""
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    while True:
        start, introducer = at, data[at]
        if introducer == 0x3B:
            yield introducer, start, at + 1
            return
        if introducer == 0x2C:
            flags = data[at + 9]
            at += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        elif introducer == 0x21:
            at += 2
        else:
            raise ImageError("malformed_header", f"GIF block {introducer:#x}")
        blocks = 0
        while data[at]:
            at += 1 + data[at]
            blocks += 1
            if blocks > MAX_PARTS:
                raise ImageError(TOO_MANY_PARTS)
        at += 1
        yield introducer, start, at


@bounded
def iso_boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, start of the body, end) of each ISO base media box in a range of bytes."""
    at = start
    while at + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, at)
        body = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, body)
            body += 8
        elif size == 0:
            size = end - at
        if size < body - at:
            raise ImageError("malformed_header", f"a box of {size} bytes")
        yield kind, body, min(at + size, end)
        at += size
