"""The chunks of a PNG that its pixels need, its profile, and its transparent 16-bit colour."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from corpusloom.schemas.images.containers import png_chunks
from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.images.png_pixels import clear_pixels, pixel_chunks
from corpusloom.schemas.images.profiles import MAX_PROFILE
from tests.schemas.images.pictures import chunk, encode, picture, png

ROWS = [bytes(6), bytes(range(6))]


def test_only_the_chunks_of_pixels_stay() -> None:
    extra = [chunk(name, b"x" * 9) for name in (b"tEXt", b"gAMA", b"acTL", b"eXIf")]
    data = png(8, 2, ROWS, *extra, chunk(b"tRNS", bytes(6)))
    found, profile = pixel_chunks(data)
    assert [kind for kind, _, _ in png_chunks(found)] == [b"IHDR", b"tRNS", b"IDAT", b"IEND"]
    assert (np.asarray(Image.open(io.BytesIO(found))) == np.asarray(Image.open(io.BytesIO(png(8, 2, ROWS))))).all()
    assert profile == b""


@pytest.mark.parametrize(
    ("body", "profile"),
    [
        (b"name\0\0" + zlib.compress(b"p" * 5), b"p" * 5),
        (b"name\0\0" + zlib.compress(b"p" * MAX_PROFILE), b"p" * MAX_PROFILE),
        (b"name\0\0" + zlib.compress(b"p" * (MAX_PROFILE + 1)), b""),
        (b"name\0\0not deflated", b""),
        (b"no end of the name", b""),
    ],
)
def test_a_profile_is_inflated_up_to_a_size(body: bytes, profile: bytes) -> None:
    assert pixel_chunks(png(8, 2, ROWS, chunk(b"iCCP", body)))[1] == profile


@pytest.mark.parametrize("cut", [1, 12, 13, 20])
def test_a_cut_file_stays_cut(cut: int) -> None:
    found, _ = pixel_chunks(encode(picture(), "PNG")[:-cut])
    with pytest.raises(ImageError, match="truncated"):
        list(png_chunks(found))


def mask(data: bytes) -> list[bool] | None:
    """Return the mask of a PNG of one row."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        found = clear_pixels(data, image)
        assert found is None or "transparency" not in image.info
    return None if found is None else [bool(value) for value in found[0]]


@pytest.mark.parametrize(
    ("depth", "colour_type", "row", "clear", "expected"),
    [
        (2, 0, b"\x60", b"\0\1", [True, False]),
        (2, 0, b"\x60", b"\xff\xfe", [False, True]),  # only the bits of the depth count
        (4, 0, b"\x3c", b"\0\x0c", [False, True]),
        (16, 0, b"\x40\1\x40\2", b"\x40\2", [False, True]),
        (16, 2, struct.pack(">6H", 0x4001, 2, 3, 0x4002, 2, 3), struct.pack(">3H", 0x4001, 2, 3), [True, False]),
        (16, 2, struct.pack(">6H", 1, 2, 3, 3, 2, 1), struct.pack(">3H", 3, 2, 1), [False, True]),
        (16, 2, bytes(12), None, None),
        (8, 2, bytes(6), bytes(6), None),
        (8, 0, bytes(2), bytes(2), None),
        (1, 0, b"\x40", b"\0\1", None),
    ],
)
def test_the_transparent_colour_is_compared_at_the_depth_of_the_file(
    depth: int, colour_type: int, row: bytes, clear: bytes | None, expected: list[bool] | None
) -> None:
    chunks = [chunk(b"tRNS", clear)] if clear is not None else []
    assert mask(png(depth, colour_type, [row], *chunks)) == expected
