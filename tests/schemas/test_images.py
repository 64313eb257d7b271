"""Headers, caps, decoding and metadata: against Pillow on what it writes, and on bytes cut or bent anywhere."""

import contextlib
import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from corpusloom.schemas import images
from corpusloom.schemas.images import (
    ImageError,
    decode_rgb,
    opt_out_of_metadata,
    read_header,
    reencode_png,
    strip_metadata,
)

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


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("size", [(37, 23), (1, 1), (300, 17)])
def test_header_says_format_and_size(format: str, size: tuple[int, int]) -> None:
    header = read_header(encode(picture(*size), format))
    assert (header.format, header.width, header.height, header.frames) == (format.lower(), *size, 1)


@pytest.mark.parametrize("options", [{"progressive": True}, {"subsampling": 0}, {"exif": exif(6)}, {"comment": b"x"}])
def test_jpeg_headers_of_all_kinds(options: dict[str, Any]) -> None:
    assert read_header(encode(picture(), "JPEG", **options))[1:3] == (37, 23)


@pytest.mark.parametrize("options", [{"lossless": True}, {"lossless": False}, {"exif": exif(1)}])
def test_webp_headers_of_all_kinds(options: dict[str, Any]) -> None:
    assert read_header(encode(picture(), "WEBP", **options))[1:3] == (37, 23)


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


def test_cmyk_grey_and_progressive_jpegs() -> None:
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


def bomb(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return images._PNG + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


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
def test_what_is_refused_and_why(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError) as caught:
        decode_rgb(data)
    assert caught.value.reason == reason


def test_a_progressive_jpeg_with_endless_scans_is_refused() -> None:
    data = encode(picture(), "JPEG", progressive=True)
    scan = data.index(b"\xff\xda")
    with pytest.raises(ImageError, match="too_many_scans"):
        read_header(data[:scan] + data[scan:-2] * 60 + b"\xff\xd9")


@settings(max_examples=150, deadline=None)
@given(
    format=st.sampled_from(FORMATS),
    cut=st.floats(0, 1),
    bent=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
)
def test_bent_bytes_give_pixels_or_a_reason(format: str, cut: float, bent: list[tuple[float, int]]) -> None:
    data = bytearray(ENCODED[format][: int(cut * len(ENCODED[format])) + 1])
    for place, value in bent:
        data[int(place * (len(data) - 1))] = value
    for function in (read_header, decode_rgb):
        with contextlib.suppress(ImageError):
            function(bytes(data), max_pixels=1_000_000)
    assert isinstance(strip_metadata(bytes(data)), bytes)
    assert opt_out_of_metadata(bytes(data)) is None


ENCODED = {format: encode(picture(64, 48), format) for format in FORMATS}


def test_stripping_removes_texts_and_trailing_bytes_and_keeps_pixels() -> None:
    note = PngImagePlugin.PngInfo()
    note.add_text("Author", "secret name")
    note.add_itxt("XML:com.adobe.xmp", "secret place", zip=True)
    png = encode(picture(), "PNG", pnginfo=note) + b"secret tail"
    jpeg = encode(picture(), "JPEG", comment=b"secret", xmp=b"<secret/>", progressive=True) + b"secret tail"
    webp = encode(picture(), "WEBP", xmp=b"<secret/>", exif=exif()) + b"secret tail"
    for data in (png, jpeg, webp):
        stripped = strip_metadata(data)
        assert b"secret" in data
        assert b"secret" not in stripped
        assert np.array_equal(decode_rgb(stripped), decode_rgb(data))
        assert strip_metadata(stripped) == stripped
    assert strip_metadata(b"no image") == b"no image"


@pytest.mark.parametrize(
    ("metadata", "answer"),
    [
        (b"plus:DataMining='http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED-AIMLTRAINING'", "iptc_data_mining"),
        (b"http://ns.useplus.org/ldf/vocab/DMI-ALLOWED", None),
        (b"cawg.training-mining..entries..cawg.ai_training..use..notAllowed", "c2pa_training_mining"),
        (b"c2pa.training-mining..use..constrained", "c2pa_training_mining"),
        (b"cawg.training-mining..cawg.ai_training..use..allowed", None),
        (b"nothing of the kind", None),
    ],
)
def test_opt_outs_in_metadata(metadata: bytes, answer: str | None) -> None:
    note = PngImagePlugin.PngInfo()
    note.add_itxt("XML:com.adobe.xmp", metadata.decode(), zip=True)
    zipped = PngImagePlugin.PngInfo()
    zipped.add_text("Raw", metadata.decode(), zip=True)
    assert opt_out_of_metadata(encode(picture(), "JPEG", xmp=metadata)) == answer
    assert opt_out_of_metadata(encode(picture(), "PNG", pnginfo=note)) == answer
    assert opt_out_of_metadata(encode(picture(), "PNG", pnginfo=zipped)) == answer


def test_reencoding_keeps_the_pixels() -> None:
    data = encode(picture(), "GIF")
    png = reencode_png(data)
    assert read_header(png).format == "png"
    assert np.array_equal(decode_rgb(png), decode_rgb(data))
