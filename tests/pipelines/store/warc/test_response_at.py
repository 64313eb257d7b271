"""One response at an offset: whole, or a verdict; a revisit as its original."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import pytest

from corpusloom.pipelines.store.warc.arc import read_arc
from corpusloom.pipelines.store.warc.digests import digest_of
from corpusloom.pipelines.store.warc.reading import read_warc
from corpusloom.pipelines.store.warc.response_at import MAX_HEAD, read_response_at
from corpusloom.pipelines.store.warc.responses import Headers
from corpusloom.pipelines.store.warc.revisits import CollectionRevisitIndex
from corpusloom.schemas.verdicts import Dead, Rejected
from tests.pipelines.store.warc import test_arc
from tests.pipelines.store.warc.warc_files import DATE, HEAD, HTTP, write_records

PNG = b"\x89PNG\r\n\x1a\n" + bytes(32)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"
URL = {"WARC-Target-URI": "http://a/1.png"}


def read(
    path: str, limit: int = 1000, originals: Sequence[str] = ()
) -> list[tuple[Headers, bytes, str] | Rejected | Dead]:
    """Read each record of a WARC by its offset."""
    indexes = [CollectionRevisitIndex(originals, limit)] if originals else []
    return [read_response_at(path, row.offset, limit, indexes) for row in read_warc(path)]


def test_a_response_is_read_at_its_offset(tmp_path: Path) -> None:
    path = write_records(
        tmp_path / "a.warc",
        ("response", {"WARC-Target-URI": "http://a/1"} | HTTP, HEAD + b"\r\n<p>one"),
        ("response", {"WARC-Target-URI": "http://a/2"} | HTTP, HEAD + b"\r\n<p>two"),
    )
    _, second = read_warc(path)
    found = read_response_at(path, second.offset, 1000)
    assert found == ((("Content-Type", "text/html; charset=utf-8"),), b"<p>two", DATE)
    nothing = read_response_at(path, Path(path).stat().st_size, 1000)
    assert isinstance(nothing, Dead)
    assert (nothing.error, nothing.message.split(": ")[-1]) == (
        "truncated_warc",
        f"no record at byte {Path(path).stat().st_size}",
    )


def test_a_bad_response_at_an_offset_keeps_its_verdict(tmp_path: Path) -> None:
    block = b"HTTP/1.1 404 Not Found\r\n\r\n"
    path = write_records(tmp_path / "a.warc", ("response", {"WARC-Target-URI": "http://a/1"} | HTTP, block))
    (page,) = read_warc(path)
    assert read_response_at(path, page.offset, 1000) == Rejected("http_404")


@pytest.mark.parametrize(
    ("size", "record", "verdict"),
    [
        (100, 0, None),
        (101, 0, Rejected("body_too_large", 101.0, 100.0)),
        (100, 100 + MAX_HEAD, None),
        (100, 101 + MAX_HEAD, Rejected("body_too_large", float(101 + MAX_HEAD), 100.0)),
    ],
)
def test_the_limit_of_a_body_is_inclusive(tmp_path: Path, size: int, record: int, verdict: object) -> None:
    """`record` is the size of the record's block; its HTTP head is as long as that needs."""
    head = HEAD + b"X-Fill: " + b"x" * max(0, record - size - len(HEAD) - 12) + b"\r\n\r\n"
    path = write_records(tmp_path / "a.warc", ("response", URL | HTTP, head + b"b" * size))
    (found,) = read(path, 100)
    assert found == verdict if verdict else isinstance(found, tuple) and len(found[1]) == size


@pytest.mark.parametrize(
    ("headers", "block", "verdict"),
    [
        ({}, OK + b"\r\n" + PNG, None),
        ({}, OK + b"Content-Length: 40\r\n\r\n" + PNG, None),
        ({}, OK + b"Content-Length: 41\r\n\r\n" + PNG, "body_cut_off"),
        ({}, OK + b"Content-Length: 3\r\n\r\n" + PNG, None),  # decoded by the crawler, under the old length
        ({}, OK + b"Transfer-Encoding: chunked\r\n\r\n28\r\n" + PNG + b"\r\n0\r\n\r\n", None),
        ({}, OK + b"Transfer-Encoding: chunked\r\n\r\n28\r\n" + PNG + b"\r\n", "body_cut_off"),
        ({}, OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(PNG, mtime=0), None),
        ({}, OK + b"\r\n", "empty_body"),
        ({}, b"HTTP/1.1 204 No Content\r\n\r\n", "empty_body"),
        ({}, b"HTTP/1.1 304 Not Modified\r\n\r\n", "http_304"),
        ({}, OK.replace(b"200 OK", b"206 Partial") + b"\r\n" + PNG, "http_206"),
        ({}, OK.replace(b"200 OK", b"206 P") + b"Content-Range: bytes 0-39/99\r\n\r\n" + PNG, "http_206"),
        ({}, OK.replace(b"200 OK", b"206 P") + b"Content-Range: bytes 0-39/40\r\n\r\n" + PNG, None),
        ({"WARC-Truncated": "length"}, OK + b"\r\n" + PNG, "body_cut_off"),
    ],
)
def test_only_a_whole_body_is_returned(
    tmp_path: Path, headers: dict[str, str], block: bytes, verdict: str | None
) -> None:
    path = write_records(tmp_path / "a.warc", ("response", URL | HTTP | headers, block))
    (found,) = read(path)
    if verdict is None:
        assert isinstance(found, tuple)
        assert found[1:] == (PNG, DATE)
    else:
        assert isinstance(found, Rejected | Dead)
        assert (found.reason if isinstance(found, Rejected) else found.error) == verdict


def test_a_resource_is_the_body_alone(tmp_path: Path) -> None:
    path = write_records(tmp_path / "a.warc", ("resource", URL | {"Content-Type": "image/png"}, PNG))
    assert read(path) == [((("Content-Type", "image/png"),), PNG, DATE)]


@pytest.mark.parametrize("truncated", [False, True])
def test_a_revisit_is_its_original_under_its_own_headers(tmp_path: Path, truncated: bool) -> None:
    digest = {"WARC-Payload-Digest": digest_of(PNG)}
    cut = {"WARC-Truncated": "length"} if truncated else {}
    original = ("response", URL | HTTP | digest | cut, OK + b"\r\n" + PNG)
    # some crawlers mark every revisit as truncated, since it has no body
    headers = {"WARC-Target-URI": "http://a/2.png", "WARC-Truncated": "length"} | HTTP | digest
    path = write_records(tmp_path / "a.warc", original, ("revisit", headers, OK + b"X-Robots-Tag: noai\r\n\r\n"))
    found = read(path, originals=[path])[1]
    if truncated:
        assert found == Dead("body_cut_off", "the crawler cut it off")
    else:
        assert found == ((("Content-Type", "image/png"), ("X-Robots-Tag", "noai")), PNG, DATE)


def test_a_revisit_without_an_original_is_no_image(tmp_path: Path) -> None:
    headers = URL | HTTP | {"WARC-Payload-Digest": digest_of(PNG)}
    path = write_records(tmp_path / "a.warc", ("revisit", headers, OK + b"\r\n"))
    assert read(path) == read(path, originals=[path]) == [Rejected("revisit_unresolved")]


@pytest.mark.parametrize("name", ["x.arc", "x.arc.gz"])
def test_a_response_of_an_arc_is_read_at_its_offset(tmp_path: Path, name: str) -> None:
    records = [test_arc.record(f"http://a/{n}.png", block, "image/png") for n, block in enumerate((
        OK + b"\r\n" + PNG, OK + b"\r\n", OK + b"Content-Length: 99\r\n\r\n" + PNG, OK + b"\r\n" + PNG * 30,
    ))]  # fmt: skip
    test_arc.write(tmp_path / name, *records)
    path = str(tmp_path / name)
    offsets = [row.offset for row in read_arc(path)]
    whole, empty, cut, large = (read_response_at(path, offset, 1000) for offset in offsets)
    assert whole == ((("Content-Type", "image/png"),), PNG, "2009-01-02T03:04:05Z")
    assert (empty, large) == (Rejected("empty_body"), Rejected("body_too_large", 1200.0, 1000.0))
    assert isinstance(cut, Dead)
    nothing = read_response_at(path, (tmp_path / name).stat().st_size, 1000)
    assert isinstance(nothing, Dead)
    assert nothing.error == "truncated_warc"
