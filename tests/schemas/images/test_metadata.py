"""Metadata: private parts are removed and pixels stay the same; opt-outs are found."""

import re
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import PngImagePlugin

from corpusloom.schemas.images.decoding import decode_rgb
from corpusloom.schemas.images.metadata import MAX_INFLATED, opt_out_of_metadata, strip_metadata
from tests.schemas.images.pictures import encode, exif, picture


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
def test_opt_outs_in_metadata_are_found(metadata: bytes, answer: str | None) -> None:
    note = PngImagePlugin.PngInfo()
    note.add_itxt("XML:com.adobe.xmp", metadata.decode(), zip=True)
    zipped = PngImagePlugin.PngInfo()
    zipped.add_text("Raw", metadata.decode(), zip=True)
    assert opt_out_of_metadata(encode(picture(), "JPEG", xmp=metadata)) == answer
    assert opt_out_of_metadata(encode(picture(), "PNG", pnginfo=note)) == answer
    assert opt_out_of_metadata(encode(picture(), "PNG", pnginfo=zipped)) == answer


@pytest.mark.parametrize("format", ["GIF", "AVIF"])
def test_formats_without_a_stripper_are_returned_unchanged(format: str) -> None:
    data = encode(picture(), format)
    assert strip_metadata(data) is data


def test_an_opt_out_far_behind_an_assertion_is_not_of_that_assertion() -> None:
    near, far = b"." * 4_000, b"." * 5_000
    assert opt_out_of_metadata(b"c2pa.training-mining" + near + b"notAllowed") == "c2pa_training_mining"
    assert opt_out_of_metadata(b"c2pa.training-mining" + far + b"notAllowed") is None


def test_a_jpeg_keeps_its_jfif_segment_and_no_other_of_its_marker() -> None:
    data = encode(picture(), "JPEG", dpi=(300, 300))
    assert data[2:4] == b"\xff\xe0"
    assert data[6:11] == b"JFIF\0"
    thumbnail = b"\xff\xe0\x00\x0eJFXX\0secret!"
    end = 4 + int.from_bytes(data[4:6], "big")
    marked = data[:end] + thumbnail + data[end:]
    assert strip_metadata(marked) == strip_metadata(data)
    assert strip_metadata(data)[:end] == data[:end]


def after_first_scan(data: bytes, segment: bytes) -> bytes:
    """Put a segment between the first and the second scan of a progressive JPEG."""
    at = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]").search(data, data.index(b"\xff\xda") + 12)
    assert at is not None
    return data[: at.start()] + segment + data[at.start() :]


@pytest.mark.parametrize("marker", [0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xEF, 0xFE])
def test_metadata_between_scans_are_removed(marker: int) -> None:
    data = encode(picture(64, 48), "JPEG", progressive=True, exif=exif(6))
    segment = bytes((0xFF, marker)) + struct.pack(">H", 2 + 12) + b"secret words"
    marked = after_first_scan(after_first_scan(data, segment), segment)
    assert marked.count(b"secret") == 2
    assert strip_metadata(marked) == strip_metadata(data)
    assert np.array_equal(decode_rgb(strip_metadata(marked)), decode_rgb(data))


def test_a_missing_end_marker_is_added() -> None:
    for options in ({}, {"progressive": True}):
        data = encode(picture(64, 48), "JPEG", **options)
        assert strip_metadata(data[:-2]) == strip_metadata(data)


def text_chunk(text: bytes) -> bytes:
    """Return a compressed text of a PNG."""
    body = b"zTXt" + b"Comment\0\0" + zlib.compress(text, 9)
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def png_with(*texts: bytes) -> bytes:
    """Return the first bytes of a PNG with texts."""
    return encode(picture(), "PNG")[:33] + b"".join(map(text_chunk, texts))


@pytest.mark.parametrize(("before", "found"), [(1 << 20, True), (MAX_INFLATED - 100, True), (MAX_INFLATED, False)])
def test_the_texts_of_a_png_are_inflated_up_to_a_limit_of_all_together(before: int, found: bool) -> None:
    texts = [bytes(before // 2), bytes(before - before // 2), b"DMI-PROHIBITED"]
    assert opt_out_of_metadata(png_with(*texts)) == ("iptc_data_mining" if found else None)


@pytest.mark.parametrize(
    "data",
    [
        png_with(*[bytes(4_000_000)] * 2) + text_chunk(bytes(4_000_000)) * 2_000,
        png_with(b"") + text_chunk(b"") * 200_000,
        b"c2pa.training-mining" * 1_000_000,
        b"c2pa.training-mining" * 1_000_000 + b" " * 5_000 + b"notAllowed",
        (b"c2pa.training-mining" + bytes(5_000) + b"constrained") * 4_000,
    ],
    ids=["8 GB of texts", "many texts", "many assertions", "a word far behind them", "words far behind each"],
)
def test_opt_outs_are_searched_in_linear_time(data: bytes) -> None:
    start = time.process_time()
    assert opt_out_of_metadata(data) is None
    assert time.process_time() - start < 2
