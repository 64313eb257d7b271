"""Images for tests, written by Pillow, and damaged ones."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

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


def bomb(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return PNG_SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
