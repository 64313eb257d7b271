"""Container walkers: parts written by Pillow in order, and an error for parts with a wrong length."""

import struct
import time

import pytest

from corpusloom.schemas.images.containers import (
    PNG_SIGNATURE,
    gif_blocks,
    iso_boxes,
    jpeg_segments,
    png_chunks,
    riff_chunks,
)
from corpusloom.schemas.images.errors import ImageError
from tests.schemas.images.pictures import encode, picture


def test_png_chunks_cover_the_file_up_to_its_end() -> None:
    data = encode(picture(), "PNG")
    chunks = list(png_chunks(data + b"trailing bytes"))
    assert [kind for kind, _, _ in chunks] == [b"IHDR", b"IDAT", b"IEND"]
    assert chunks[0][1] == len(PNG_SIGNATURE)
    assert [end for _, _, end in chunks[:-1]] == [start for _, start, _ in chunks[1:]]
    assert chunks[-1][2] == len(data)


def test_a_png_without_its_last_chunk_is_truncated() -> None:
    with pytest.raises(ImageError, match="truncated"):
        list(png_chunks(encode(picture(), "PNG")[:-12]))


def test_jpeg_segments_end_with_the_first_scan() -> None:
    data = encode(picture(), "JPEG")
    segments = list(jpeg_segments(data))
    assert segments[0][:2] == (0xE0, 2)
    assert [marker for marker, _, _ in segments].index(0xDA) == len(segments) - 1
    assert all(data[start] == 0xFF and data[start + 1] == marker for marker, start, _ in segments)


def test_fill_bytes_and_standalone_markers_are_skipped() -> None:
    data = b"\xff\xd8" + b"\xff\xff\xd0" + b"\xff\xfe\x00\x03x" + b"\xff\xda\x00\x02"
    assert list(jpeg_segments(data)) == [(0xFE, 5, 10), (0xDA, 10, 14)]


@pytest.mark.parametrize("junk", [b"", b"junk", b"\0\0\0", b"\xff\0", b"a\xff\0b"])
def test_bytes_between_jpeg_segments_are_skipped(junk: bytes) -> None:
    data = b"\xff\xd8" + junk + b"\xff\xfe\x00\x03x" + junk + b"\xff\xda\x00\x02"
    start, length = 2 + len(junk), len(junk)
    assert list(jpeg_segments(data)) == [(0xFE, start, start + 5), (0xDA, start + 5 + length, start + 9 + length)]


def test_a_jpeg_without_any_marker_is_truncated() -> None:
    with pytest.raises(ImageError, match="truncated_header"):
        list(jpeg_segments(b"\xff\xd8" + bytes(1000)))


@pytest.mark.parametrize("length", [0, 1])
def test_a_jpeg_segment_is_at_least_as_long_as_its_length_field(length: int) -> None:
    with pytest.raises(ImageError, match="malformed_header"):
        list(jpeg_segments(b"\xff\xd8\xff\xfe" + struct.pack(">H", length) + bytes(9)))


def test_riff_chunks_are_padded_to_even_lengths() -> None:
    body = b"WEBP" + b"ABCD" + struct.pack("<I", 3) + b"xyz\0" + b"EFGH" + struct.pack("<I", 2) + b"xy"
    data = b"RIFF" + struct.pack("<I", len(body)) + body
    assert list(riff_chunks(data + b"tail after the RIFF size")) == [(b"ABCD", 12, 24), (b"EFGH", 24, 34)]


def test_gif_blocks_end_with_the_trailer() -> None:
    frames = [picture(20, 10), picture(20, 10).rotate(180)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=90)
    blocks = list(gif_blocks(data))
    assert [block[0] for block in blocks].count(0x2C) == 2
    assert blocks[-1] == (0x3B, len(data) - 1, len(data))


def test_iso_boxes_may_have_short_long_and_open_lengths() -> None:
    short = struct.pack(">I4s", 10, b"aaaa") + b"12"
    long = struct.pack(">I4sQ", 1, b"bbbb", 18) + b"34"
    rest = struct.pack(">I4s", 0, b"cccc") + b"567"
    data = short + long + rest
    assert list(iso_boxes(data, 0, len(data))) == [(b"aaaa", 8, 10), (b"bbbb", 26, 28), (b"cccc", 36, 39)]


@pytest.mark.parametrize("size", [2, 7])
def test_an_iso_box_shorter_than_its_header_is_refused(size: int) -> None:
    data = struct.pack(">I4s", size, b"aaaa") + bytes(20)
    with pytest.raises(ImageError, match="malformed_header"):
        list(iso_boxes(data, 0, len(data)))


def test_walking_takes_linear_time() -> None:
    start = time.process_time()
    assert sum(1 for _ in iso_boxes(struct.pack(">I4s", 8, b"free") * 200_000, 0, 1_600_000)) == 200_000
    assert time.process_time() - start < 3
