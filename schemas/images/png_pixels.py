"""Takes from a PNG what its pixels need, so that the size of its texts and profile decides nothing."""

import struct
import zlib

import numpy as np
from PIL import Image

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
            if kind in _PIXELS and not (kind == b"tRNS" and _is_odd(data, end - start - 12)):
                parts.append(data[start:end])
            elif kind == b"iCCP":
                profile = _inflate(data[start + 8 : end - 4].partition(b"\0")[2][1:])
    except ImageError:
        pass  # the decoder reports the damage
    return b"".join(parts), profile


def _is_odd(data: bytes, length: int) -> bool:
    """Return whether a transparent colour does not have the length of the PNG's colour type; browsers ignore it."""
    return length != {0: 2, 2: 6}.get(data[25], length) or not length


def _inflate(data: bytes) -> bytes:
    """Return the profile in a chunk; empty if it is damaged or larger than MAX_PROFILE."""
    decoder = zlib.decompressobj()
    try:
        found = decoder.decompress(data, MAX_PROFILE + 1)
    except zlib.error:
        return b""
    return found if len(found) <= MAX_PROFILE else b""


def clear_pixels(data: bytes, image: Image.Image) -> np.ndarray | None:
    """Return a mask of the pixels that have the transparent colour of a PNG, for depths at which Pillow errs.

    These are grey of 2, 4 and 16 bits and RGB of 16 bits; None for any other PNG. Pillow's own colour is removed.
    """
    depth, kind = data[24], data[25]
    colour = _transparent_colour(data)
    if (depth, kind) not in ((2, 0), (4, 0), (16, 0), (16, 2)) or len(colour) != 2 + 2 * kind:
        return None
    image.info.pop("transparency", None)
    if kind == 2:
        return _equal_at_16_bits(data, struct.unpack(">HHH", colour))
    value = int.from_bytes(colour, "big") & (1 << depth) - 1
    return np.asarray(image) == (value if depth == 16 else value * 255 // ((1 << depth) - 1))


def _transparent_colour(data: bytes) -> bytes:
    """Return the transparent colour of a PNG as it is stored; empty if it has none."""
    for kind, start, end in png_chunks(data):
        if kind == b"tRNS":
            return data[start + 8 : end - 4]
        if kind == b"IDAT":
            break
    return b""


def _equal_at_16_bits(data: bytes, colour: tuple[int, ...]) -> np.ndarray | None:
    import cv2  # imported here, since hardly any image needs it

    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return None if bgr is None else (bgr[:, :, :3] == np.array(colour[::-1], bgr.dtype)).all(axis=2)
