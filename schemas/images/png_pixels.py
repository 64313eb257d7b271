"""Takes from a PNG what its pixels need, so that the size of its texts and profile decides nothing."""

import struct
import zlib

import numpy as np

from corpusloom.schemas.images.containers import PNG_SIGNATURE, png_chunks
from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.images.profiles import MAX_PROFILE

_PIXELS = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"))


def pixel_chunks(data: bytes) -> tuple[bytes, bytes]:
    """Return a PNG with the chunks of its pixels alone, and its ICC profile; that is empty if it is absent or damaged.

    A file that is cut off stays cut off at the same chunk.
    """
    parts, profile = [PNG_SIGNATURE], b""
    try:
        for kind, start, end in png_chunks(data):
            if kind in _PIXELS:
                parts.append(data[start:end])
            elif kind == b"iCCP":
                profile = _inflate(data[start + 8 : end - 4].partition(b"\0")[2][1:])
    except ImageError:
        pass  # the decoder reports the damage
    return b"".join(parts), profile


def _inflate(data: bytes) -> bytes:
    """Return the profile in a chunk; empty if it is damaged or larger than MAX_PROFILE."""
    decoder = zlib.decompressobj()
    try:
        found = decoder.decompress(data, MAX_PROFILE + 1)
    except zlib.error:
        return b""
    return found if len(found) <= MAX_PROFILE else b""


def clear_colour(data: bytes) -> tuple[int, ...] | None:
    """Return the transparent colour of a PNG of 16-bit RGB, as 16-bit values; None for any other PNG."""
    if data[24:26] != b"\x10\x02":  # bits per channel, colour type
        return None
    for kind, start, end in png_chunks(data):
        if kind == b"tRNS" and end - start >= 18:
            return struct.unpack_from(">HHH", data, start + 8)
        if kind == b"IDAT":
            break
    return None


def is_clear(data: bytes, colour: tuple[int, ...]) -> np.ndarray:
    """Return a mask of the pixels that have the transparent colour, compared at 16 bits."""
    import cv2  # imported here, since hardly any image needs it

    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return (bgr[:, :, :3] == np.array(colour[::-1], bgr.dtype)).all(axis=2)
