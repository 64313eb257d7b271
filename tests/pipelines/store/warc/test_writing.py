"""Writing WARCs: other tools read them, and the same exchange gives the same bytes."""

import gzip
import hashlib
import io
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator as FastArchiveIterator
from warcio.archiveiterator import ArchiveIterator
from warcio.checker import Checker

from corpusloom.pipelines.store.warc.digests import digest_of
from corpusloom.pipelines.store.warc.writing import WarcWriter, record_urn
from tests.pipelines.store.warc.warc_files import DATE, HEAD, write

WRITTEN = "591b6d73fc8053c8c5a070d438a68b6fbdcd4b0c92f60dd94a740f1e45caf54a"
"""SHA-256 of a WARC with one record of each kind: its bytes are part of a store's and so never change."""


def test_warcio_reads_and_checks_what_we_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.warc.gz"
    write(path, ("http://a.example/", HEAD, b"<p>hello"))
    with path.open("rb") as handle:
        records = list(ArchiveIterator(handle, check_digests=True))
        kinds = [record.rec_type for record in records]
    assert kinds == ["warcinfo", "response", "request"]
    arguments = type("Arguments", (), {"inputs": [str(path)], "verbose": False})
    assert Checker(arguments).process_all() in (0, None)
    assert "fail" not in capsys.readouterr().out


def test_the_same_exchange_gives_the_same_bytes(tmp_path: Path) -> None:
    assert write(tmp_path / "a.warc.gz", ("http://a/", HEAD, b"x")) == write(
        tmp_path / "b.warc.gz", ("http://a/", HEAD, b"x")
    )


def test_a_record_is_spelled_as_the_standard_has_it() -> None:
    buffer = io.BytesIO()
    place = WarcWriter(buffer, compress=False).write("resource", {"WARC-Date": DATE}, b"body")
    assert buffer.getvalue() == (
        b"WARC/1.1\r\nWARC-Type: resource\r\nWARC-Date: 2026-01-02T03:04:05Z\r\n"
        b"WARC-Block-Digest: " + digest_of(b"body").encode() + b"\r\nContent-Length: 4\r\n\r\nbody\r\n\r\n"
    )
    assert place == (0, len(buffer.getvalue()))


def test_a_digest_that_the_caller_has_is_not_computed_again() -> None:
    buffer = io.BytesIO()
    WarcWriter(buffer, compress=False).write("resource", {}, b"body", digest="sha256:GIVEN")
    assert b"WARC-Block-Digest: sha256:GIVEN\r\n" in buffer.getvalue()


@pytest.mark.parametrize("compress", [False, True])
def test_offsets_and_lengths_are_those_of_the_file(compress: bool) -> None:
    buffer = io.BytesIO()
    writer = WarcWriter(buffer, compress=compress)
    places = [
        writer.warcinfo({"software": "test"}, DATE),
        writer.resource("http://a/i.png", "image/png", b"image", date=DATE),
        writer.metadata("http://a/i.png", {"b": 1, "a": "ü"}, date=DATE),
        writer.copy(b"WARC/1.1\r\nWARC-Type: metadata\r\nContent-Length: 0\r\n\r\n\r\n\r\n"),
        writer.exchange("http://a/", b"GET", b"HTTP/1.1 200 OK\r\n\r\n", b"", date=DATE, address=None, truncated=None),
    ]
    data = buffer.getvalue()
    assert [start for start, _ in places] == [0, *(start + length for start, length in places[:-1])]
    records = [data[start : start + length] for start, length in places]
    if compress:
        records = [gzip.decompress(record) if record[:2] == b"\x1f\x8b" else record for record in records]
    kinds = [record.split(b"\r\n")[1] for record in records]
    assert kinds == [
        b"WARC-Type: " + kind for kind in (b"warcinfo", b"resource", b"metadata", b"metadata", b"response")
    ]
    assert records[2].endswith('{"a": "ü", "b": 1}\r\n\r\n'.encode())


def headers_of(data: bytes) -> list[dict[str, str]]:
    return [dict(record.headers) for record in FastArchiveIterator(io.BytesIO(data), parse_http=False)]


def test_an_exchange_links_request_and_response() -> None:
    buffer = io.BytesIO()
    WarcWriter(buffer, compress=False).exchange(
        "http://a/", b"GET / HTTP/1.1\r\n\r\n", HEAD + b"\r\n", b"<p>", date=DATE, address="192.0.2.1", truncated="time"
    )
    response, request = headers_of(buffer.getvalue())
    assert response["WARC-Truncated"] == "time"
    assert response["WARC-Payload-Digest"] == digest_of(b"<p>")
    assert response["Content-Type"] == "application/http; msgtype=response"
    assert request["Content-Type"] == "application/http; msgtype=request"
    assert request["WARC-Concurrent-To"] == response["WARC-Record-ID"] != request["WARC-Record-ID"]
    for record in (response, request):
        assert (record["WARC-Target-URI"], record["WARC-IP-Address"], record["WARC-Date"]) == (
            "http://a/",
            "192.0.2.1",
            DATE,
        )


def test_what_is_not_known_has_no_header() -> None:
    buffer = io.BytesIO()
    writer = WarcWriter(buffer, compress=False)
    writer.exchange("http://a/", b"GET", HEAD + b"\r\n", b"", date=DATE, address=None, truncated=None)
    writer.metadata("http://a/", {}, date=DATE)
    for record in headers_of(buffer.getvalue()):
        assert not {"WARC-IP-Address", "WARC-Truncated"} & set(record)


def test_a_resource_has_the_digest_of_its_body_for_block_and_payload() -> None:
    buffer = io.BytesIO()
    writer = WarcWriter(buffer, compress=False)
    writer.resource("http://a/", "image/png", b"image", date=DATE)
    writer.resource("http://a/", "image/png", b"image", date=DATE, digest="sha256:GIVEN")
    computed, given = headers_of(buffer.getvalue())
    for record, digest in ((computed, digest_of(b"image")), (given, "sha256:GIVEN")):
        assert (record["WARC-Block-Digest"], record["WARC-Payload-Digest"]) == (digest, digest)
        assert (record["Content-Type"], record["WARC-Target-URI"]) == ("image/png", "http://a/")


def test_record_ids_are_uuids_of_their_content() -> None:
    import uuid

    first, same, other = record_urn("a", b"b"), record_urn(b"a", "b"), record_urn("ab")
    assert first == same != other
    parsed = uuid.UUID(first.removeprefix("<urn:uuid:").removesuffix(">"))
    assert (parsed.version, parsed.variant) == (4, uuid.RFC_4122)
    assert {record_urn(str(n)).split("-")[3][0] for n in range(200)} == set("89ab")
    assert record_urn("response", "http://a/") == "<urn:uuid:24e97046-4102-4eb2-a3a7-29b0ec68861b>"


def test_each_kind_of_record_has_the_bytes_that_it_always_had() -> None:
    buffer = io.BytesIO()
    writer = WarcWriter(buffer, compress=False)
    writer.warcinfo({"software": "s", "format": "f"}, DATE)
    writer.exchange(
        "http://a/", b"GET / HTTP/1.1\r\n\r\n", HEAD, b"x", date=DATE, address="192.0.2.1", truncated="length"
    )
    writer.resource("http://a/b", "image/png", b"y", date=DATE)
    writer.metadata("http://a/b", {"b": 1, "a": None}, date=DATE)
    assert hashlib.sha256(buffer.getvalue()).hexdigest() == WRITTEN


@pytest.mark.parametrize("changed", ["url", "head", "body", "date"])
def test_another_exchange_has_another_record_id(changed: str) -> None:
    values = {"url": "http://a/", "head": HEAD.decode(), "body": "x", "date": DATE}

    def record_id(values: dict[str, str]) -> str:
        buffer = io.BytesIO()
        head, body = values["head"].encode(), values["body"].encode()
        WarcWriter(buffer, compress=False).exchange(
            values["url"], b"GET", head, body, date=values["date"], address=None, truncated=None
        )
        buffer.seek(0)
        return next(iter(FastArchiveIterator(buffer, parse_http=False))).record_id

    assert record_id(values) == record_id(dict(values))
    assert record_id(values) != record_id(values | {changed: f"{values[changed]}2"})
