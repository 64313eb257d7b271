"""The chunks of a PNG that its pixels need, its profile, and its transparent 16-bit colour."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from corpusloom.schemas.images.containers import png_chunks
from corpusloom.schemas.images.png_pixels import clear_colour, is_clear, pixel_chunks
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
    data = encode(picture(), "PNG")[:-cut]
    assert pixel_chunks(data)[0] == data


@pytest.mark.parametrize(
    ("depth", "colour_type", "clear", "colour"),
    [
        (16, 2, struct.pack(">HHH", 0x4001, 0, 9), (0x4001, 0, 9)),
        (16, 2, None, None),
        (16, 2, b"\0\1", None),
        (8, 2, struct.pack(">HHH", 1, 0, 9), None),
        (16, 0, b"\x40\1", None),
    ],
)
def test_the_clear_colour_of_16_bit_rgb(
    depth: int, colour_type: int, clear: bytes | None, colour: tuple[int, ...] | None
) -> None:
    chunks = [chunk(b"tRNS", clear)] if clear is not None else []
    assert clear_colour(png(depth, colour_type, [bytes(12)], *chunks)) == colour


def test_colours_are_compared_at_16_bits() -> None:
    row = struct.pack(">6H", 0x4001, 2, 3, 0x4002, 2, 3)
    data = png(16, 2, [row, row[6:] + row[:6]], chunk(b"tRNS", struct.pack(">HHH", 0x4001, 2, 3)))
    assert is_clear(data, (0x4001, 2, 3)).tolist() == [[True, False], [False, True]]
