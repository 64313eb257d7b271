"""Decoding: the same pixels as Pillow's, and a reason for bytes that are cut or altered anywhere."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from corpusloom.schemas.images.containers import jpeg_segments
from corpusloom.schemas.images.decoding import decode_rgb, reencode_png
from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.images.headers import read_header
from corpusloom.schemas.images.metadata import opt_out_of_metadata, strip_metadata
from tests.schemas.images.pictures import (
    FORMATS,
    bomb,
    chunk,
    encode,
    exif,
    picture,
    png,
    profile_named_srgb,
    srgb_of_p3,
    with_segment,
)

ENCODED = {format: encode(picture(64, 48), format) for format in FORMATS}


@pytest.mark.parametrize("format", ["PNG", "WEBP", "GIF"])
def test_frames_are_counted_and_the_first_is_decoded(format: str) -> None:
    frames = [picture(20, 10), ImageOps.invert(picture(20, 10)), picture(20, 10).rotate(180)]
    data = encode(frames[0], format, save_all=True, append_images=frames[1:], duration=90)
    assert read_header(data).frames == 3
    assert decode_rgb(data).shape == (10, 20, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_orientation_is_applied_as_pillow_does_and_survives_stripping(format: str, orientation: int) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    data = encode(picture(), format, exif=exif(orientation), **options)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    assert read_header(data).displayed == expected.shape[1::-1]
    assert np.array_equal(decode_rgb(data), expected)
    stripped = strip_metadata(data)
    assert b"private" not in stripped
    assert len(stripped) < len(data)
    assert np.array_equal(decode_rgb(stripped), expected)
    reopened = Image.open(io.BytesIO(stripped))
    assert reopened.getexif().get(0x0112, 1) == orientation
    assert not reopened.getexif().get_ifd(0x8825)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_avif_is_shown_as_its_boxes_turn_it(orientation: int) -> None:
    data = encode(picture(80, 40), "AVIF", exif=exif(orientation), quality=95)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    assert read_header(data).displayed == expected.shape[1::-1]
    assert np.array_equal(decode_rgb(data), expected)
    assert np.array_equal(decode_rgb(reencode_png(data)), expected)


def test_an_avif_may_have_a_general_brand() -> None:
    data = encode(picture(80, 40), "AVIF")
    assert data[8:12] == b"avif"
    assert np.array_equal(decode_rgb(data[:8] + b"mif1" + data[12:]), decode_rgb(data))


def shown(data: bytes) -> list[tuple[int, ...]]:
    """Return the two pixels of a row."""
    return [tuple(int(value) for value in pixel) for pixel in decode_rgb(data)[0]]


WHITE = (255, 255, 255)


@pytest.mark.parametrize(
    ("data", "pixels"),
    [
        (png(8, 2, [b"\xff\0\0\0\0\xff"], chunk(b"tRNS", b"\0\xff\0\0\0\0")), [WHITE, (0, 0, 255)]),
        (png(1, 0, [b"\x40"], chunk(b"tRNS", b"\0\0")), [WHITE, WHITE]),
        (png(1, 0, [b"\x40"], chunk(b"tRNS", b"\0\1")), [(0, 0, 0), WHITE]),
        (png(2, 0, [b"\x60"], chunk(b"tRNS", b"\0\1")), [WHITE, (170, 170, 170)]),
        (png(4, 0, [b"\x3c"], chunk(b"tRNS", b"\0\x03")), [WHITE, (204, 204, 204)]),
        (png(8, 0, [b"\x0a\x64"], chunk(b"tRNS", b"\0\x0a")), [WHITE, (100, 100, 100)]),
        (png(16, 0, [b"\x40\1\x40\2"], chunk(b"tRNS", b"\x40\1")), [WHITE, (64, 64, 64)]),
        (png(16, 2, [struct.pack(">6H", 0x4001, 256, 0, 0x4002, 256, 0)], chunk(b"tRNS", b"\x40\1\1\0\0\0")),
         [WHITE, (64, 1, 0)]),
        (png(16, 0, [b"\x40\1\x40\2"], chunk(b"tRNS", b"\x40")), [(64, 64, 64), (64, 64, 64)]),
        (png(8, 2, [b"\xff\0\0\0\0\xff"], chunk(b"tRNS", b"")), [(255, 0, 0), (0, 0, 255)]),
        (png(16, 4, [struct.pack(">4H", 0x4000, 0xFFFF, 0xC000, 0)]), [(64, 64, 64), WHITE]),
        (png(16, 6, [struct.pack(">8H", 0x4000, 0, 0, 0xFFFF, 0, 0, 0, 0)]), [(64, 0, 0), WHITE]),
        (png(8, 3, [b"\0\1"], chunk(b"PLTE", b"\0\0\0\xc8\0\0"), chunk(b"tRNS", b"\0")), [WHITE, (200, 0, 0)]),
    ],
)  # fmt: skip
def test_a_transparent_colour_becomes_white_if_its_length_is_right(data: bytes, pixels: list[tuple[int, ...]]) -> None:
    assert shown(data) == pixels


RED = [b"\xff\0\0\0\0\xff"]


@pytest.mark.parametrize(
    "extra",
    [
        [chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 3_000_000))],
        [chunk(b"tEXt", b"Comment\0" + b"a" * 3_000_000)],
        [chunk(b"iTXt", b"k%d\0\1\0\0\0" % n + zlib.compress(b"a" * 1_000_000)) for n in range(70)],
        [chunk(b"iCCP", b"x\0\0" + zlib.compress(b"a" * 3_000_000))],
        [chunk(b"eXIf", b"MM\0*" + b"a" * 3_000_000)],
        [chunk(b"tEXt", b"x")[:-1] + b"!"],
    ],
    ids=["zTXt", "tEXt", "many", "iCCP", "eXIf", "checksum"],
)
def test_what_a_png_says_beside_its_pixels_does_not_matter(extra: list[bytes]) -> None:
    assert shown(png(8, 2, RED, *extra)) == [(255, 0, 0), (0, 0, 255)]


@pytest.mark.parametrize("size", [0, 3_000_000])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_a_wide_profile_is_converted_whatever_its_name_and_size(format: str, size: int) -> None:
    image, profile = Image.new("RGB", (16, 16), (200, 100, 50)), profile_named_srgb(size=size)
    options = {"lossless": True} if format == "WEBP" else {}
    data = encode(image, format, icc_profile=profile, **options)
    if format == "JPEG":  # the profile lies behind other metadata
        data = with_segment(with_segment(data, 0xFE, b"x" * 65_000), 0xE1, exif())
    pixel = decode_rgb(data)[8, 8]
    assert np.abs(pixel.astype(int) - np.array(srgb_of_p3((200, 100, 50)))).max() <= 3
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert (
        np.abs(decode_rgb(encode(image, format, icc_profile=plain, **options))[8, 8].astype(int) - (200, 100, 50)).max()
        <= 2
    )


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 0}], ids=["4:2:0", "progressive", "4:4:4"]
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_may_lack_its_end_marker_but_not_its_pixels(mode: str, options: dict[str, object]) -> None:
    data = encode(picture(200, 160).convert(mode), "JPEG", quality=90, **options)
    expected = decode_rgb(data).astype(int)
    for missing in (data[:-2], data[:-1], data[:-2] + bytes(700)):
        assert np.abs(decode_rgb(missing).astype(int) - expected).max() <= 2
    assert decode_rgb(data[:-2], min_side_at_least=80).shape[0] >= 80
    for cut in (0.5, 0.9):
        with pytest.raises(ImageError, match="truncated"):
            decode_rgb(data[: int(cut * len(data))])


def test_a_scan_may_end_in_a_zero_that_is_no_padding() -> None:
    data = encode(Image.new("RGB", (16, 16), (200, 60, 30)), "JPEG", quality=95, subsampling=0)
    assert data[-3] == 0
    assert np.array_equal(decode_rgb(data[:-2]), decode_rgb(data))


def test_bytes_between_the_segments_of_a_jpeg_are_skipped() -> None:
    data = encode(picture(64, 48), "JPEG", exif=exif(6))
    for at in [start for _, start, _ in jpeg_segments(data)][1:]:
        for junk in (b"\0\0", b"junk", b"\xff\0", b"\xff\xff\xff", b"\xff\0 \xff"):
            found = data[:at] + junk + data[at:]
            assert read_header(found) == read_header(data)
            assert np.abs(decode_rgb(found).astype(int) - decode_rgb(data)).max() <= 2
            assert strip_metadata(found) == strip_metadata(data)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_png_modes_become_rgb_on_white(mode: str) -> None:
    if mode == "I;16":
        grey = np.linspace(0, 65535, 12, dtype=np.uint16).reshape(3, 4)
        pixels = decode_rgb(encode(Image.fromarray(grey), "PNG"))
        assert np.array_equal(pixels[:, :, 0], (grey >> 8).astype(np.uint8))
        return
    image = picture(mode=mode)
    if mode in ("LA", "RGBA"):
        image.putalpha(0)
    pixels = decode_rgb(encode(image, "PNG"))
    expected = np.full((23, 37, 3), 255) if mode in ("LA", "RGBA") else np.asarray(image.convert("RGB"))
    assert np.array_equal(pixels, expected)


def test_cmyk_grey_and_progressive_jpegs_are_decoded() -> None:
    for mode, options in (("CMYK", {}), ("L", {}), ("RGB", {"progressive": True})):
        data = encode(picture(64, 48).convert(mode), "JPEG", quality=95, **options)
        expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
        assert np.abs(decode_rgb(data).astype(int) - expected).mean() < 2


def test_a_profile_other_than_srgb_is_converted_and_a_broken_one_ignored() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    plain = decode_rgb(encode(picture(), "PNG"))
    assert np.array_equal(decode_rgb(encode(picture(), "PNG", icc_profile=lab)), plain)
    assert np.array_equal(decode_rgb(encode(picture(), "PNG", icc_profile=b"broken")), plain)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encode(picture(), "JPEG", icc_profile=srgb, exif=exif())
    assert srgb in strip_metadata(data)


def test_scaled_decoding_keeps_the_shorter_side() -> None:
    data = encode(picture(800, 600), "JPEG")
    assert decode_rgb(data, min_side_at_least=224).shape == (225, 300, 3)
    assert decode_rgb(data, min_side_at_least=301).shape == (600, 800, 3)
    assert decode_rgb(data, min_side_at_least=2000).shape == (600, 800, 3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not_an_image"),
        (b"<html>", "not_an_image"),
        (b"%PDF-1.7", "not_an_image"),
        (bomb(30_000, 30_000), "too_many_pixels"),
        (bomb(0, 5), "no_pixels"),
        (bomb(40, 40), "truncated"),
        (encode(picture(200, 200), "JPEG")[:900], "truncated"),
        (encode(picture(200, 200), "PNG")[:900], "truncated"),
        (encode(picture(), "PNG")[:20], "truncated_header"),
        (encode(picture(), "JPEG")[:30], "truncated_header"),
        (b"\xff\xd8\xff\xe0\x00\x01", "malformed_header"),
        (b"\xff\xd8\xff\xda\x00\x04\x00\x00\x00\x00", "malformed_header"),
    ],
)
def test_each_unreadable_image_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError) as caught:
        decode_rgb(data)
    assert caught.value.reason == reason


@settings(max_examples=150, deadline=None)
@given(
    format=st.sampled_from(FORMATS),
    cut=st.floats(0, 1),
    bent=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
)
def test_altered_bytes_give_pixels_or_a_reason(format: str, cut: float, bent: list[tuple[float, int]]) -> None:
    data = bytearray(ENCODED[format][: int(cut * len(ENCODED[format])) + 1])
    for place, value in bent:
        data[int(place * (len(data) - 1))] = value
    for function in (read_header, decode_rgb):
        with contextlib.suppress(ImageError):
            function(bytes(data), max_pixels=1_000_000)
    assert isinstance(strip_metadata(bytes(data)), bytes)
    assert opt_out_of_metadata(bytes(data)) is None


def test_reencoding_keeps_the_pixels() -> None:
    data = encode(picture(), "GIF")
    png = reencode_png(data)
    assert read_header(png).format == "png"
    assert np.array_equal(decode_rgb(png), decode_rgb(data))


def test_the_pixel_limit_is_inclusive() -> None:
    data = encode(picture(40, 20), "PNG")
    assert decode_rgb(data, max_pixels=800).shape == (20, 40, 3)
    with pytest.raises(ImageError, match="too_many_pixels: 40 x 20"):
        decode_rgb(data, max_pixels=799)


def test_a_colour_profile_leaves_transparency_alone() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    wide = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    image = picture(mode="RGBA")
    image.putalpha(0)
    for broken in (profile, wide, b"no profile"):
        assert np.array_equal(decode_rgb(encode(image, "PNG", icc_profile=broken)), np.full((23, 37, 3), 255))
