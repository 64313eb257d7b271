"""Headers: format, size, frames and orientation of images written by Pillow; limits at their bounds."""

import struct
from typing import Any

import pytest
from PIL import Image

from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.images.headers import MAX_FRAMES, MAX_JPEG_SCANS, ImageHeader, read_header
from tests.schemas.images.pictures import FORMATS, bomb, encode, exif, picture


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("size", [(37, 23), (1, 1), (300, 17)])
def test_header_says_format_and_size(format: str, size: tuple[int, int]) -> None:
    header = read_header(encode(picture(*size), format))
    assert (header.format, header.width, header.height, header.frames) == (format.lower(), *size, 1)


@pytest.mark.parametrize("options", [{"progressive": True}, {"subsampling": 0}, {"exif": exif(6)}, {"comment": b"x"}])
def test_jpeg_headers_of_all_kinds_are_read(options: dict[str, Any]) -> None:
    assert read_header(encode(picture(), "JPEG", **options))[1:3] == (37, 23)


@pytest.mark.parametrize("options", [{"lossless": True}, {"lossless": False}, {"exif": exif(1)}])
def test_webp_headers_of_all_kinds_are_read(options: dict[str, Any]) -> None:
    assert read_header(encode(picture(), "WEBP", **options))[1:3] == (37, 23)


def test_a_progressive_jpeg_with_endless_scans_is_refused() -> None:
    data = encode(picture(), "JPEG", progressive=True)
    scan = data.index(b"\xff\xda")
    with pytest.raises(ImageError, match="too_many_scans"):
        read_header(data[:scan] + data[scan:-2] * 60 + b"\xff\xd9")


def test_the_scan_limit_is_inclusive() -> None:
    data = encode(picture(), "JPEG", progressive=True)
    missing = MAX_JPEG_SCANS - data.count(b"\xff\xda")
    assert read_header(data + b"\xff\xda" * missing)[1:3] == (37, 23)
    with pytest.raises(ImageError, match="too_many_scans"):
        read_header(data + b"\xff\xda" * (missing + 1))


def test_a_baseline_jpeg_may_carry_any_bytes_after_its_end() -> None:
    assert read_header(encode(picture(), "JPEG") + b"\xff\xda" * (MAX_JPEG_SCANS + 1))[1:3] == (37, 23)


@pytest.mark.parametrize(("limit", "passes"), [(800, True), (799, False), (None, True)])
def test_the_pixel_limit_is_inclusive(limit: int | None, passes: bool) -> None:
    data = encode(picture(40, 20), "GIF")
    if passes:
        assert read_header(data, max_pixels=limit)[1:3] == (40, 20)
    else:
        with pytest.raises(ImageError, match="too_many_pixels"):
            read_header(data, max_pixels=limit)


@pytest.mark.parametrize(("frames", "passes"), [(MAX_FRAMES, True), (MAX_FRAMES + 1, False)])
def test_the_frame_limit_is_inclusive(frames: int, passes: bool) -> None:
    animated = encode(picture(20, 10), "PNG", save_all=True, append_images=[picture(20, 10).rotate(180)], duration=9)
    at = animated.index(b"acTL") + 4
    data = animated[:at] + struct.pack(">I", frames) + animated[at + 4 :]
    if passes:
        assert read_header(data).frames == frames
    else:
        with pytest.raises(ImageError, match="too_many_frames"):
            read_header(data)


@pytest.mark.parametrize(("width", "height"), [(0, 1), (1, 0)])
def test_an_image_without_pixels_is_refused(width: int, height: int) -> None:
    with pytest.raises(ImageError, match="no_pixels"):
        read_header(bomb(width, height))


@pytest.mark.parametrize(("orientation", "read"), [(0, 1), (1, 1), (8, 8), (9, 1)])
def test_an_orientation_outside_1_to_8_is_ignored(orientation: int, read: int) -> None:
    assert read_header(encode(picture(), "JPEG", exif=exif(orientation))).orientation == read


@pytest.mark.parametrize(("orientation", "displayed"), [(4, (37, 23)), (5, (23, 37)), (8, (23, 37))])
def test_orientations_from_5_swap_width_and_height(orientation: int, displayed: tuple[int, int]) -> None:
    assert ImageHeader("jpeg", 37, 23, 1, orientation).displayed == displayed


def test_a_gif_is_as_large_as_its_largest_frame() -> None:
    data = bytearray(encode(Image.new("L", (30, 20)), "GIF"))
    data[6:10] = struct.pack("<HH", 3, 40)  # the logical screen
    assert read_header(bytes(data))[1:3] == (30, 40)


def test_the_first_33_bytes_of_a_png_are_its_header() -> None:
    data = encode(picture(), "PNG")
    assert read_header(data[:33])[:3] == ("png", 37, 23)
    with pytest.raises(ImageError, match="truncated_header"):
        read_header(data[:32])


def with_exif_before_scan(data: bytes, block: bytes) -> bytes:
    scan = data.index(b"\xff\xda")
    return data[:scan] + b"\xff\xe1" + struct.pack(">H", 2 + len(block)) + block + data[scan:]


def test_exif_anywhere_before_the_first_scan_counts_and_the_first_block_wins() -> None:
    late = with_exif_before_scan(encode(picture(), "JPEG"), exif(6))
    assert read_header(late).orientation == 6
    assert read_header(with_exif_before_scan(late, exif(3))).orientation == 6
    assert read_header(with_exif_before_scan(encode(picture(), "JPEG", exif=exif(1)), exif(8))).orientation == 1


def test_a_jpeg_that_ends_after_its_frame_has_a_header() -> None:
    data = encode(picture(), "JPEG")
    assert read_header(data[: data.index(b"\xff\xda")])[1:3] == (37, 23)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_header_says_whether_there_is_a_profile(progressive: bool) -> None:
    assert read_header(encode(picture(), "JPEG", icc_profile=b"any", progressive=progressive)).profile
    assert not read_header(encode(picture(), "JPEG", exif=exif(), progressive=progressive)).profile
