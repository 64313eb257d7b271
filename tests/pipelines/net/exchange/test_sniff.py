"""Types by their first bytes, whatever a header says."""

import pytest

from corpusloom.pipelines.net.exchange.sniff import IMAGES, SNIFFED_BYTES, is_image, sniff

CASES = {
    b"\xff\xd8\xff\xe0": "jpeg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"BM": "bmp",
    b"II*\x00": "tiff",
    b"MM\x00*": "tiff",
    b"\x00\x00\x01\x00": "ico",
    b"\xff\x0a": "jxl",
    b"\x00\x00\x00\x0cJXL ": "jxl",
    b"RIFF\x10\x00\x00\x00WEBPVP8 ": "webp",
    b"RIFF\x10\x00\x00\x00WAVEfmt ": None,
    b"\x00\x00\x00\x1cftypavif": "avif",
    b"\x00\x00\x00\x1cftypheic": "heic",
    b"\x00\x00\x00\x1cftypisom": "video",
    b"%PDF-1.7": "pdf",
    b"PK\x03\x04": "zip",
    b"\x1f\x8b\x08": "gzip",
    b"\x7fELF": "program",
    b"MZ\x90": "program",
    b"<!DOCTYPE html>": "html",
    b" \r\n<HTML>": "html",
    b"\xef\xbb\xbf<p>": "html",
    b"<!-- x -->": "html",
    b"<paragraph>": "text",
    b"<?xml version='1.0'?><svg>": "svg",
    b"<?xml version='1.0'?><html>": "html",
    b"<?xml version='1.0'?><rss>": "xml",
    b"<svg onload='x'>": "svg",
    b"plain words": "text",
    b"tab\tand escape \x1b[0m": "text",
    b"bin\x01ary": None,
    b"\x00\x01\x02": None,
    b"": None,
}


@pytest.mark.parametrize("data", list(CASES), ids=repr)
def test_each_type_is_recognised_by_its_first_bytes(data: bytes) -> None:
    assert sniff(data) == CASES[data]
    assert is_image(data) == (CASES[data] in IMAGES)


def test_only_the_first_bytes_decide_between_text_and_binary() -> None:
    assert sniff(b"a" * SNIFFED_BYTES + b"\x00") == "text"
    assert sniff(b"a" * (SNIFFED_BYTES - 1) + b"\x00") is None
