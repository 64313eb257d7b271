"""Images for tests, written by Pillow, and damaged ones."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from corpusloom.schemas.images.containers import PNG_SIGNATURE

FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "AVIF"]


def picture(width: int = 37, height: int = 23, mode: str = "RGB") -> Image.Image:
    rng = np.random.default_rng(width * height)
    small = Image.fromarray(rng.integers(0, 256, (3, 4, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def encode(image: Image.Image, format: str, **options: Any) -> bytes:
    sink = io.BytesIO()
    image.save(sink, format, **options)
    return sink.getvalue()


def exif(orientation: int = 1, gps: bool = True) -> bytes:
    block = Image.Exif()
    block[0x0112] = orientation
    block[0x010E] = "a private description"
    if gps:
        block.get_ifd(0x8825)[1] = "N"
    return block.tobytes()


def with_segment(jpeg: bytes, marker: int, body: bytes) -> bytes:
    """Return a JPEG with a further segment at its start."""
    return jpeg[:2] + struct.pack(">BBH", 0xFF, marker, 2 + len(body)) + body + jpeg[2:]


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(depth: int, colour_type: int, rows: list[bytes], *chunks: bytes, width: int = 2) -> bytes:
    """Return a PNG of unfiltered rows with further chunks before its pixels."""
    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return PNG_SIGNATURE + b"".join((chunk(b"IHDR", header), *chunks, chunk(b"IDAT", pixels), chunk(b"IEND", b"")))


P3 = ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407))
"""Display P3: X, Y and Z of red, green and blue, adapted to D50."""


def profile_named_srgb(primaries: tuple[tuple[float, float, float], ...] = P3, *, size: int = 0) -> bytes:
    """Return Pillow's profile, which is named sRGB, with other primaries; padded to `size` bytes."""
    found = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    assert b"sRGB" in found or "sRGB".encode("utf-16-be") in found
    (tags,) = struct.unpack_from(">I", found, 128)
    places = {
        bytes(found[at : at + 4]): struct.unpack_from(">I", found, at + 4)[0] for at in range(132, 132 + 12 * tags, 12)
    }
    for name, xyz in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=False):
        struct.pack_into(">3i", found, places[name] + 8, *(round(value * 65536) for value in xyz))
    found += bytes(max(0, size - len(found)))
    struct.pack_into(">I", found, 0, len(found))
    return bytes(found)


def srgb_of_p3(pixel: tuple[int, int, int]) -> tuple[int, ...]:
    """Return the sRGB colour of a Display P3 colour, by the definition of both."""
    value = np.array(pixel) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    srgb = np.array(((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)))
    found = np.clip(np.linalg.solve(srgb.T, np.array(P3).T @ linear), 0, 1)
    coded = np.where(found <= 0.0031308, found * 12.92, 1.055 * found ** (1 / 2.4) - 0.055)
    return tuple(int(value) for value in np.round(coded * 255))


def bomb(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return PNG_SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
