"""Content codings: nested codings, the limit on the decoded size, and damaged streams."""

import contextlib
import gzip
import time
import tracemalloc
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.net.exchange.decode import MAX_MEMBERS, CodingError, decode

CODERS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
    "identity": bytes,
}


@given(st.sampled_from(sorted(CODERS)), st.sampled_from(sorted(CODERS)), st.binary(max_size=2000), st.integers(0, 2500))
def test_any_two_codings_are_decoded_up_to_the_cap(first: str, second: str, body: bytes, cap: int) -> None:
    wire = CODERS[second](CODERS[first](body))
    out = decode(wire, f"{first}, {second}", max(cap, 2100))
    assert out.body == body


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_a_body_over_the_cap_is_cut_there(name: str) -> None:
    out = decode(CODERS[name](b"ab" * 50_000), name, 999)
    assert (out.body, out.cut) == ((b"ab" * 500)[:999], True)


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_a_bomb_costs_no_more_memory_than_its_cap(name: str) -> None:
    bomb = CODERS[name](bytes(20_000_000))
    tracemalloc.start()
    decode(bomb, name, 100_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000
    assert decode(bomb, name, 100_000, 100).bomb


def test_a_page_somewhat_over_its_cap_is_no_bomb() -> None:
    body = bytes(range(256)) * 600
    assert decode(gzip.compress(body, 0), "gzip", 100_000).cut
    found = decode(gzip.compress(body, 0), "gzip", 100_000, 100)
    assert (found.body, found.cut, found.bomb) == (body[:100_000], True, False)


@pytest.mark.parametrize(
    ("size", "ratio", "bomb"), [(400, 1e9, False), (401, 1e9, True), (300, 2.0, True), (100, 2.0, False)]
)
def test_a_bomb_is_over_four_caps_or_over_the_cap_and_the_ratio(size: int, ratio: float, bomb: bool) -> None:
    found = decode(gzip.compress(bytes(size)), "gzip", 100, ratio)
    assert (len(found.body), found.cut, found.bomb) == (100, size > 100, bomb)


def test_gzip_members_count_as_one_body() -> None:
    assert decode(gzip.compress(b"a") + gzip.compress(b"b"), "gzip", 10).body == b"ab"


EMPTY = gzip.compress(b"", mtime=0)
FRAME = zstandard.compress(b"")
STORED = b"\0\0\0\xff\xff"
"""An empty block of raw deflate that is not the last one."""


@pytest.mark.parametrize(
    ("wire", "names", "outcome"),
    [
        (EMPTY * 500_000, "gzip", "bad_encoding"),
        (gzip.compress(EMPTY * 500_000), "gzip, gzip", "bad_encoding"),
        (gzip.compress(gzip.compress(EMPTY * 500_000)), "gzip, gzip, gzip", "bad_encoding"),
        (gzip.compress(EMPTY * 500_000), "gzip, deflate", "bad_encoding"),
        (brotli.compress(EMPTY * 500_000), "gzip, br", "bad_encoding"),
        (zstandard.compress(EMPTY * 500_000), "gzip, zstd", "bad_encoding"),
        (EMPTY * (MAX_MEMBERS + 1), "gzip", "bad_encoding"),
        (EMPTY * (MAX_MEMBERS - 1) + gzip.compress(b"end"), "gzip", b"end"),
        (FRAME * 500_000, "zstd", b""),
        (gzip.compress(FRAME * 500_000), "zstd, gzip", b""),
        (b"\x50\x2a\x4d\x18\0\0\0\0" * 1_000_000, "zstd", b""),
        (STORED * 2_000_000, "deflate", b""),
        (zlib.compress(STORED * 2_000_000), "deflate, deflate", b""),
        (gzip.compress(bytes(9_999_000)) + EMPTY * 9_000, "gzip", bytes(9_999_000)),
    ],
)
def test_any_number_of_members_takes_time_linear_in_the_bytes(wire: bytes, names: str, outcome: str | bytes) -> None:
    """Nested empty members once took a minute in the event loop, from 209 bytes."""
    start = time.process_time()
    try:
        found: str | bytes = decode(wire, names, 10_000_000, 100).body
    except CodingError as error:
        found = error.reason
    assert found == outcome
    assert time.process_time() - start < 3


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_a_stream_that_ends_early_gives_what_was_there(name: str) -> None:
    body = bytes(i * 7919 % 251 for i in range(200_000))
    wire = CODERS[name](body)
    out = decode(wire[: len(wire) // 2], name, 1_000_000)
    assert body.startswith(out.body)


@pytest.mark.parametrize(
    ("wire", "names", "reason"),
    [
        (b"\x1f\x8b" + b"\xff" * 30, "gzip", "bad_encoding"),
        (b"\xff" * 30, "br", "bad_encoding"),
        (b"\x01hello", "zstd", "bad_encoding"),
        (b"\x1f\x9dhello", "compress", "unknown_encoding"),
        (b"hello", "gzip, gzip, gzip, gzip", "bad_encoding"),
        (b"<html>", "gzip, gzip, gzip, gzip", "bad_encoding"),
    ],
)
def test_damage_has_a_reason(wire: bytes, names: str, reason: str) -> None:
    with pytest.raises(CodingError) as caught:
        decode(wire, names, 100)
    assert caught.value.reason == reason


PLAIN = (
    "UTF-8", "utf8", "binary", "", "none", "identity", "ISO-8859-1", "image/png", "chunked", "8bit", "gzip", "x-gzip",
    "deflate", "application/gzip", "base64", "windows-1252", "undefined", "null", "br", "GZIP", "zstd", "gzip, br",
    "compress",
)  # fmt: skip


@pytest.mark.parametrize("names", PLAIN)
@pytest.mark.parametrize(
    "body",
    [
        b"\x89PNG\r\n\x1a\n" + bytes(90),
        b"\xff\xd8\xff" + bytes(90),
        b"  <!DOCTYPE html><p>x",
        b"BM" + b"\xff" * 90,
        b"<section>x</section>",
        b"User-agent: *\nDisallow: /",
    ],
    ids=["png", "jpeg", "html", "bmp", "section", "robots"],
)
def test_a_plain_image_or_page_is_taken_as_it_is_whatever_coding_is_declared(names: str, body: bytes) -> None:
    assert decode(body, names, 1000).body == body


@pytest.mark.parametrize("names", ["utf8", "none, binary", "text/plain;x=1", ""])
def test_a_name_that_is_no_coding_is_ignored(names: str) -> None:
    assert decode(b"hello", names, 100).body == b"hello"
    assert decode(gzip.compress(b"hello"), f"{names}, gzip", 100).body == b"hello"


@pytest.mark.parametrize("names", ["gzip;q=1.0", '"gzip"', "GZIP ,", "utf-8;gzip", "identity gzip"])
def test_a_coding_is_found_however_it_is_spelled(names: str) -> None:
    assert decode(gzip.compress(b"hello"), names, 100).body == b"hello"


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "br", "zstd"]))
def test_any_bytes_decode_or_have_a_reason(wire: bytes, name: str) -> None:
    with contextlib.suppress(CodingError):
        assert len(decode(wire, name, 1000).body) <= 1000
