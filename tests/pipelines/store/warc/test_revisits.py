"""Revisit records are read as the responses that they stand for."""

import base64
import errno
import gzip
import hashlib
from pathlib import Path
from typing import IO

import pytest

from corpusloom.pipelines.store.warc import revisits
from corpusloom.pipelines.store.warc.digests import digest_of
from corpusloom.pipelines.store.warc.reading import read_warc
from corpusloom.pipelines.store.warc.responses import MAX_BODY, HtmlResponse, SkippedRecord
from corpusloom.pipelines.store.warc.revisits import CollectionRevisitIndex
from corpusloom.schemas import storage
from corpusloom.schemas.errors import ShortageError
from corpusloom.schemas.verdicts import Rejected
from tests.pipelines.store.warc.warc_files import DATE, HEAD, HTTP, write_records


def test_a_revisit_is_read_as_what_it_points_back_to(tmp_path: Path) -> None:
    body = b"<p>the same"
    http = {"Content-Type": "application/http; msgtype=response"}
    digest = {"WARC-Payload-Digest": digest_of(body)}
    path = write_records(
        tmp_path / "a.warc",
        ("response", {"WARC-Target-URI": "http://a/1"} | http | digest, HEAD + b"\r\n" + body),
        ("revisit", {"WARC-Target-URI": "http://a/2"} | http | digest, HEAD + b"X-Later: yes\r\n\r\n"),
        ("revisit", {"WARC-Target-URI": "http://a/3", "WARC-Payload-Digest": "sha1:UNKNOWN"} | http, HEAD + b"\r\n"),
    )
    first, second, third = read_warc(path)
    assert isinstance(first, HtmlResponse)
    assert isinstance(second, HtmlResponse)
    assert (second.url, second.body, ("X-Later", "yes") in second.headers) == ("http://a/2", body, True)
    assert isinstance(third, SkippedRecord)
    assert third.verdict == Rejected("revisit_unresolved")


def test_a_revisit_may_point_into_another_warc(tmp_path: Path) -> None:
    http = {"Content-Type": "application/http; msgtype=response"}
    bodies = [b"<p>one", b"<p>two", b"<p>three"]
    originals = write_records(
        tmp_path / "b.warc",
        *(
            ("response", {"WARC-Target-URI": f"http://a/{n}", "WARC-Payload-Digest": digest_of(body)} | http,
             HEAD + b"\r\n" + body)
            for n, body in enumerate(bodies)
        ),
    )  # fmt: skip
    by_url = {"WARC-Refers-To-Target-URI": "http://a/1", "WARC-Refers-To-Date": DATE}
    path = write_records(
        tmp_path / "a.warc",
        ("revisit", {"WARC-Refers-To": "<urn:uuid:00000000-0000-4000-8000-000000000000>"} | http, HEAD + b"\r\n"),
        ("revisit", by_url | http, HEAD + b"\r\n"),
        ("revisit", {"WARC-Payload-Digest": digest_of(bodies[2])} | http, HEAD + b"\r\n"),
        ("revisit", {"WARC-Payload-Digest": "sha1:UNKNOWN"} | http, HEAD + b"\r\n"),
    )
    (tmp_path / "cut.warc").write_bytes(Path(originals).read_bytes()[:-70])
    index = CollectionRevisitIndex((path, originals, str(tmp_path / "cut.warc")), MAX_BODY)
    found = list(read_warc(path, revisits=index))
    assert [page.body for page in found if isinstance(page, HtmlResponse)] == bodies
    assert [page.verdict for page in found if isinstance(page, SkippedRecord)] == [Rejected("revisit_unresolved")]
    assert all(isinstance(page, SkippedRecord) for page in read_warc(path))


def bodies(path: str, index: CollectionRevisitIndex | None = None) -> list[bytes | None]:
    found = read_warc(path, revisits=index)
    return [page.body if isinstance(page, HtmlResponse) else None for page in found]


def response(url: str, body: bytes) -> tuple[str, dict[str, str], bytes]:
    headers = {"WARC-Target-URI": url, "WARC-Payload-Digest": digest_of(body)} | HTTP
    return "response", headers, HEAD + b"\r\n" + body


def test_a_revisit_without_http_headers_has_those_of_its_original(tmp_path: Path) -> None:
    revisit = ("revisit", {"WARC-Payload-Digest": digest_of(b"<p>one")} | HTTP, b"")
    path = write_records(tmp_path / "a.warc", response("http://a/1", b"<p>one"), revisit)
    first, second = read_warc(path)
    assert isinstance(first, HtmlResponse)
    assert isinstance(second, HtmlResponse)
    assert (second.body, second.headers) == (first.body, first.headers)


def test_the_record_id_is_surer_than_url_and_digest(tmp_path: Path) -> None:
    headers = {
        "WARC-Refers-To": "<urn:uuid:00000000-0000-4000-8000-000000000000>",
        "WARC-Refers-To-Target-URI": "http://a/2",
        "WARC-Refers-To-Date": DATE,
        "WARC-Payload-Digest": digest_of(b"<p>three"),
    } | HTTP
    records = [response(f"http://a/{n}", body) for n, body in enumerate((b"<p>one", b"<p>two", b"<p>three"), 1)]
    path = write_records(tmp_path / "a.warc", *records, ("revisit", headers, HEAD + b"\r\n"))
    assert bodies(path)[-1] == b"<p>one"
    del headers["WARC-Refers-To"]
    path = write_records(tmp_path / "b.warc", *records, ("revisit", headers, HEAD + b"\r\n"))
    assert bodies(path)[-1] == b"<p>two"


def test_of_two_originals_the_first_counts(tmp_path: Path) -> None:
    same = {"WARC-Target-URI": "http://a/1", "WARC-Payload-Digest": "sha1:SAME"} | HTTP
    path = write_records(
        tmp_path / "a.warc",
        ("response", same, HEAD + b"\r\n<p>first"),
        ("response", same, HEAD + b"\r\n<p>second"),
        ("revisit", {"WARC-Payload-Digest": "sha1:SAME"} | HTTP, HEAD + b"\r\n"),
    )
    assert bodies(path)[-1] == b"<p>first"


def test_of_two_files_the_first_by_name_counts(tmp_path: Path) -> None:
    for folder, name, body in (("x", "b.warc", b"<p>of b"), ("y", "a.warc", b"<p>of a")):
        (tmp_path / folder).mkdir()
        headers = {"WARC-Target-URI": "http://a/1", "WARC-Payload-Digest": "sha1:SAME"} | HTTP
        write_records(tmp_path / folder / name, ("response", headers, HEAD + b"\r\n" + body))
    revisit = ("revisit", {"WARC-Payload-Digest": "sha1:SAME"} | HTTP, HEAD + b"\r\n")
    path = write_records(tmp_path / "r.warc", revisit)
    index = CollectionRevisitIndex((str(tmp_path / "x/b.warc"), str(tmp_path / "y/a.warc")), MAX_BODY)
    assert bodies(path, index) == [b"<p>of a"]


def test_an_original_in_the_same_file_is_preferred(tmp_path: Path) -> None:
    headers = {"WARC-Target-URI": "http://a/1", "WARC-Payload-Digest": "sha1:SAME"} | HTTP
    other = write_records(tmp_path / "0.warc", ("response", headers, HEAD + b"\r\n<p>other"))
    path = write_records(
        tmp_path / "a.warc",
        ("response", headers, HEAD + b"\r\n<p>own"),
        ("revisit", {"WARC-Payload-Digest": "sha1:SAME"} | HTTP, HEAD + b"\r\n"),
    )
    assert bodies(path, CollectionRevisitIndex((other,), MAX_BODY)) == [b"<p>own", b"<p>own"]


def test_records_beyond_the_limit_of_names_are_not_indexed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revisits, "MAX_NAMES", 3)  # a record has three names
    path = write_records(
        tmp_path / "a.warc",
        *(response(f"http://a/{n}", body) for n, body in enumerate((b"<p>one", b"<p>two"))),
        *(
            ("revisit", {"WARC-Payload-Digest": digest_of(body)} | HTTP, HEAD + b"\r\n")
            for body in (b"<p>one", b"<p>two")
        ),
    )
    assert bodies(path)[2:] == [b"<p>one", None]


def test_a_missing_file_leaves_its_revisits_unresolved(tmp_path: Path) -> None:
    path = write_records(tmp_path / "a.warc", ("revisit", {"WARC-Payload-Digest": "sha1:X"} | HTTP, HEAD + b"\r\n"))
    (found,) = read_warc(path, revisits=CollectionRevisitIndex((str(tmp_path / "gone.warc"),), MAX_BODY))
    assert isinstance(found, SkippedRecord)
    assert found.verdict == Rejected("revisit_unresolved")


def headers_of(path: str, number: int) -> dict[str, str]:
    found = list(read_warc(path))[number]
    return dict(found.headers) if isinstance(found, HtmlResponse) else {}


NOT_MODIFIED = {
    "WARC-Profile": "http://netpreserve.org/warc/1.1/revisit/server-not-modified",
    "WARC-Payload-Digest": digest_of(b""),
}
EMPTY = ("response", {"WARC-Target-URI": "http://a/0", "WARC-Payload-Digest": digest_of(b"")} | HTTP, HEAD + b"\r\n")
FIRST = "<urn:uuid:00000000-0000-4000-8000-000000000001>"


@pytest.mark.parametrize(
    ("headers", "resolved"),
    [
        ({}, False),  # the digest of an empty payload is shared by unrelated records
        ({"WARC-Payload-Digest": digest_of(b"<p>one")}, False),
        ({"WARC-Refers-To": FIRST}, True),
        ({"WARC-Refers-To-Date": DATE}, True),
        ({"WARC-Refers-To-Target-URI": "http://a/1", "WARC-Refers-To-Date": DATE}, True),
        ({"WARC-Refers-To-Target-URI": "<http://a/1>", "WARC-Refers-To-Date": DATE}, True),
        ({"WARC-Refers-To-Target-URI": "http://a/0", "WARC-Refers-To-Date": DATE}, False),
        ({"WARC-Refers-To": FIRST.replace("1>", "0>")}, False),
        ({"WARC-Refers-To": FIRST.replace("1>", "0>"), "WARC-Refers-To-Date": DATE}, True),
    ],
)
@pytest.mark.parametrize("profile", [True, False])
def test_an_unmodified_page_is_never_that_of_another_url(
    tmp_path: Path, headers: dict[str, str], resolved: bool, profile: bool
) -> None:
    headers = {"WARC-Target-URI": "http://a/1"} | HTTP | NOT_MODIFIED | headers
    if not profile:  # then the status says so
        del headers["WARC-Profile"]
    block = b"HTTP/1.1 304 Not Modified\r\nETag: new\r\n\r\n"
    path = write_records(tmp_path / "a.warc", EMPTY, response("http://a/1", b"<p>one"), ("revisit", headers, block))
    found = list(read_warc(path))[-1]
    assert found.url == "http://a/1"
    if resolved:
        assert isinstance(found, HtmlResponse)
        assert (found.status, found.body) == (200, b"<p>one")
        assert dict(found.headers) == {"ETag": "new", "Content-Type": "text/html; charset=utf-8"}
    else:
        assert isinstance(found, SkippedRecord)
        assert found.verdict == Rejected("revisit_unresolved")


def test_the_framing_of_a_body_is_that_of_the_record_that_holds_it(tmp_path: Path) -> None:
    packed = gzip.compress(b"<p>one")
    digest = {"WARC-Payload-Digest": digest_of(packed)}
    chunked = b"%x\r\n" % len(packed) + packed + b"\r\n0\r\n\r\n"
    head = HEAD + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\nX-Old: 1\r\n\r\n"
    path = write_records(
        tmp_path / "a.warc",
        ("response", {"WARC-Target-URI": "http://a/1"} | HTTP | digest, head + chunked),
        ("revisit", {"WARC-Target-URI": "http://a/2"} | HTTP | digest,
         b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Encoding: br\r\nX-New: 2\r\n\r\n"),
    )  # fmt: skip
    assert bodies(path) == [b"<p>one", b"<p>one"]
    found = headers_of(path, 1)
    assert (found["X-New"], found["Content-Type"], "X-Old" in found) == ("2", "text/html; charset=utf-8", False)


@pytest.mark.parametrize("spell", ["{b32}", "{B32}", "{hex}", "{HEX}"])
def test_a_digest_is_the_same_in_every_spelling(tmp_path: Path, spell: str) -> None:
    digest = hashlib.sha1(b"<p>one").digest()
    b32, hexed = base64.b32encode(digest).decode().lower(), digest.hex()
    text = spell.format(b32=b32, B32=b32.upper(), hex=hexed, HEX=hexed.upper())
    revisit = ("revisit", {"WARC-Target-URI": "http://a/2", "WARC-Payload-Digest": f"sha1:{text}"} | HTTP, b"")
    path = write_records(tmp_path / "a.warc", response("http://a/1", b"<p>one"), revisit)
    assert bodies(path)[-1] == b"<p>one"


def test_the_original_may_be_a_resource(tmp_path: Path) -> None:
    body = b"<p>one\r\n\r\n<p>two"
    headers = {"WARC-Target-URI": "http://a/1", "Content-Type": "text/html", "WARC-Payload-Digest": digest_of(body)}
    for block in (b"", b"HTTP/1.1 200 OK\r\n\r\n"):
        revisit = ("revisit", {"WARC-Target-URI": "http://a/2", "WARC-Payload-Digest": digest_of(body)} | HTTP, block)
        path = write_records(tmp_path / "a.warc", ("resource", headers, body), revisit)
        assert bodies(path) == [body, body]


def test_a_part_of_a_page_stays_a_part(tmp_path: Path) -> None:
    digest = {"WARC-Payload-Digest": digest_of(b"<p>part")}
    part = HEAD.replace(b"200 OK", b"206 Partial") + b"Content-Range: bytes 0-6/99\r\n\r\n<p>part"
    path = write_records(
        tmp_path / "a.warc",
        ("response", {"WARC-Target-URI": "http://a/1"} | HTTP | digest, part),
        ("revisit", {"WARC-Target-URI": "http://a/2"} | HTTP | digest, HEAD + b"\r\n"),
    )
    assert [row.verdict for row in read_warc(path) if isinstance(row, SkippedRecord)] == [Rejected("http_206")] * 2


def test_a_shortage_while_an_original_is_opened_is_no_damage_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    http = {"Content-Type": "application/http; msgtype=response"}
    digest = {"WARC-Payload-Digest": digest_of(b"<p>the same")}
    path = write_records(
        tmp_path / "a.warc",
        ("response", {"WARC-Target-URI": "http://a/1"} | http | digest, HEAD + b"\r\n<p>the same"),
        ("revisit", {"WARC-Target-URI": "http://a/2"} | http | digest, HEAD + b"\r\n"),
    )
    open_input, opened = storage.open_input, []

    def open_or_fail(name: str) -> IO[bytes]:
        opened.append(name)
        if len(opened) > 1:
            raise OSError(errno.EMFILE, "Too many open files")
        return open_input(name)

    monkeypatch.setattr(storage, "open_input", open_or_fail)
    with pytest.raises(ShortageError, match="ulimit -n"):
        list(read_warc(path))
