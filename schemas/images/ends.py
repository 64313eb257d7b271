"""Tells whether the bytes of an image reach the end that its container declares; nothing is decoded."""

import struct

from corpusloom.schemas.images.containers import gif_blocks, jpeg_segments, png_chunks
from corpusloom.schemas.images.errors import ImageError

END_OF_JPEG = b"\xff\xd9"


def is_complete(data: bytes) -> bool:
    """Return whether an image has its last part: end-of-image marker, IEND, trailer, or all bytes of its boxes."""
    try:
        return _reaches_end(data)
    except (ImageError, IndexError, struct.error):
        return False


def _reaches_end(data: bytes) -> bool:
    if data[:2] == b"\xff\xd8":
        *_, (_, start, _) = jpeg_segments(data)
        return data.find(END_OF_JPEG, start) >= 0
    if data[:1] == b"\x89":
        return all(end <= len(data) for _, _, end in png_chunks(data))
    if data[:4] == b"RIFF":
        return len(data) >= 8 + struct.unpack_from("<I", data, 4)[0]
    if data[:3] == b"GIF":
        return any(introducer == 0x3B for introducer, _, _ in gif_blocks(data))
    return data[4:8] == b"ftyp" and _last_box_end(data) == len(data)


def _last_box_end(data: bytes) -> int:
    """Return the offset at which the last of an ISO file's outermost boxes ends, which may lie beyond the data."""
    at = 0
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
        elif size == 0:
            return len(data)
        at += max(size, 8)
    return at
