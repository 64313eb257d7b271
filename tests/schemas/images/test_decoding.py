"""Decoding: the same pixels as Pillow's, and a reason for bytes that are cut or altered anywhere."""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from corpusloom.schemas.images.decoding import decode_rgb, reencode_png
from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.images.headers import read_header
from corpusloom.schemas.images.metadata import opt_out_of_metadata, strip_metadata
from tests.schemas.images.pictures import FORMATS, bomb, encode, exif, picture

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
