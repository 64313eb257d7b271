"""Reading WARCs, ours and other writers', without losing a record silently."""

import functools
import gzip
import http.server
import io
import shutil
import subprocess
import threading
from pathlib import Path

import brotli
import fastwarc.warc
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from corpusloom.pipelines.store.warc.digests import digest_of
from corpusloom.pipelines.store.warc.reading import (
    read_paths,
    read_resource,
    read_warc,
)
from corpusloom.pipelines.store.warc.responses import HtmlResponse, SkippedRecord
from corpusloom.pipelines.store.warc.writing import WarcWriter
from corpusloom.schemas.errors import DamageError, InputError
from corpusloom.schemas.verdicts import Dead, Rejected
from tests.pipelines.store.warc.warc_files import DATE, HEAD, HTTP, write, write_records


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
def test_pages_come_back_decoded(tmp_path: Path, name: str) -> None:
    body = "<p>grün</p>".encode()
    write(
        tmp_path / name,
        ("http://a/plain", HEAD, body),
        ("http://a/gzip", HEAD + b"Content-Encoding: gzip\r\n", gzip.compress(body)),
        ("http://a/br", HEAD + b"Content-Encoding: br\r\n", brotli.compress(body)),
        ("http://a/lie", HEAD + b"Content-Encoding: gzip\r\n", body),
        (
            "http://a/chunked",
            HEAD + b"Transfer-Encoding: chunked\r\n",
            b"4\r\n<p>g\r\n8\r\n\xc3\xbcn</p>\n\r\n0\r\n\r\n",
        ),
    )
    pages = list(read_warc(str(tmp_path / name)))
    assert all(isinstance(page, HtmlResponse) for page in pages)
    assert [page.body for page in pages[:4]] == [body] * 4  # type: ignore[union-attr]
    assert {page.fetched_at for page in pages} == {DATE}


def test_what_is_no_page_has_its_reason(tmp_path: Path) -> None:
    write(
        tmp_path / "a.warc",
        ("http://a/404", b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n", b"gone"),
        ("http://a/image", b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n", b"\x89PNG"),
        ("http://a/bad", b"nothing like HTTP\r\n", b""),
    )
    verdicts = [page.verdict for page in read_warc(str(tmp_path / "a.warc")) if isinstance(page, SkippedRecord)]
    assert verdicts[:2] == [Rejected("http_404"), Rejected("not_html")]
    assert isinstance(verdicts[2], Dead)


@given(st.integers(1, 400), st.booleans())
def test_any_cut_is_noticed_and_loses_only_what_follows(cut: int, compress: bool) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("a.warc.gz" if compress else "a.warc")
        data = write(path, *((f"http://a/{n}", HEAD, b"<p>text</p>" * 40) for n in range(3)))
        with path.open("rb") as handle:
            starts = [record.stream_pos for record in fastwarc.warc.ArchiveIterator(handle)]
        assume(len(data) - cut not in starts)  # a file that ends where a record does looks whole
        path.write_bytes(data[:-cut])
        outcomes = list(read_warc(str(path)))
    pages = [outcome for outcome in outcomes if isinstance(outcome, HtmlResponse)]
    assert [page.url for page in pages] == [f"http://a/{n}" for n in range(len(pages))]
    assert all(page.body == b"<p>text</p>" * 40 for page in pages)
    assert [o.verdict.error for o in outcomes if isinstance(o, SkippedRecord)] == ["truncated_warc"]  # type: ignore[union-attr]


def test_a_resource_is_read_back_by_its_place(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    writer = WarcWriter(buffer, compress=False)
    writer.metadata("http://a/", {"outcome": "dead"}, date=DATE)
    place = writer.resource("http://a/i.png", "image/png", b"bytes\r\n\r\nof it", date=DATE)
    (tmp_path / "p.warc").write_bytes(buffer.getvalue())
    assert read_resource(str(tmp_path / "p.warc"), *place) == b"bytes\r\n\r\nof it"
    with pytest.raises(DamageError, match="no WARC record"):
        read_resource(str(tmp_path / "p.warc"), place[0] + 3, place[1])


def test_bombs_stop_at_the_cap(tmp_path: Path) -> None:
    for name, coding, bomb in (
        ("gzip", b"gzip", gzip.compress(b"\0" * 50_000_000)),
        ("br", b"br", brotli.compress(b"\0" * 5_000_000)),
    ):
        path = tmp_path / f"{name}.warc.gz"
        write(path, ("http://a/", HEAD + b"Content-Encoding: " + coding + b"\r\n", bomb))
        (page,) = read_warc(str(path), limit=100_000)
        assert isinstance(page, HtmlResponse)
        assert (len(page.body), page.truncated) == (100_000, True)


def test_texts_and_metadata_made_from_warcs_are_told_apart(tmp_path: Path) -> None:
    wet = write_records(tmp_path / "wet.warc", ("conversion", {"Content-Type": "text/plain"}, b"words"))
    wat = write_records(tmp_path / "wat.warc", ("metadata", {"Content-Type": "application/json"}, b'{"Envelope": {}}'))
    for path, kind in ((wet, "WET"), (wat, "WAT")):
        with pytest.raises(InputError, match=kind):
            list(read_warc(path))
    plain = write_records(tmp_path / "plain.warc", ("metadata", {"Content-Type": "application/json"}, b"{}"))
    (row,) = read_warc(plain)
    assert isinstance(row, SkippedRecord)
    assert (row.url, row.verdict) == ("plain.warc", Rejected("no_responses"))


def test_resources_are_pages_and_images_are_noted(tmp_path: Path) -> None:
    path = write_records(
        tmp_path / "a.warc",
        ("resource", {"WARC-Target-URI": "file:///a.html", "Content-Type": "text/html"}, b"<p>hello"),
        ("resource", {"WARC-Target-URI": "http://a/i.png", "Content-Type": "image/png"}, b"\x89PNG\r\n\x1a\n"),
    )
    page, image = read_warc(path)
    assert isinstance(page, HtmlResponse)
    assert isinstance(image, SkippedRecord)
    assert image.image


def test_zstd_files_are_whole_when_they_are(tmp_path: Path) -> None:
    import zstandard

    write(tmp_path / "a.warc", ("http://a/", HEAD, b"<p>text"))
    data = zstandard.ZstdCompressor().compress((tmp_path / "a.warc").read_bytes())
    (tmp_path / "a.warc.zst").write_bytes(data)
    (page,) = read_warc(str(tmp_path / "a.warc.zst"))
    assert isinstance(page, HtmlResponse)
    (tmp_path / "a.warc.zst").write_bytes(data[:-9])
    assert any(isinstance(row, SkippedRecord) for row in read_warc(str(tmp_path / "a.warc.zst")))


def test_lz4_files_are_read(tmp_path: Path) -> None:
    plain = write(tmp_path / "a.warc", ("http://a/", HEAD, b"<p>hello"))
    stored = (len(plain) | 1 << 31).to_bytes(4, "little") + plain  # one block, not compressed
    (tmp_path / "b.warc.lz4").write_bytes(b"\x04\x22\x4d\x18\x60\x40\x82" + stored + bytes(4))
    (page,) = read_warc(str(tmp_path / "b.warc.lz4"), verify=True)
    assert isinstance(page, HtmlResponse)
    assert page.body == b"<p>hello"


@pytest.mark.skipif(shutil.which("wget") is None, reason="wget is not installed")
def test_what_wget_wrote_is_read_with_its_digests(tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "a.html").write_bytes(b"<p>hello from wget")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "www"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/a.html"
    command = ["wget", "-q", "-O", "/dev/null", "--no-proxy", "--tries=1", f"--warc-file={tmp_path / 'w'}", url]
    subprocess.run(command, check=True, cwd=tmp_path)
    server.shutdown()
    server.server_close()
    pages = list(read_warc(str(tmp_path / "w.warc.gz"), verify=True))
    assert [page.body for page in pages if isinstance(page, HtmlResponse)] == [b"<p>hello from wget"]
    assert not any(isinstance(page.verdict, Dead) for page in pages if isinstance(page, SkippedRecord))


def test_a_list_of_paths_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.paths.gz").write_bytes(gzip.compress(b"crawl/a.warc.gz\n\ns3://bucket/b.warc.gz\n"))
    assert read_paths(str(tmp_path / "x.paths.gz")) == [f"{tmp_path}/crawl/a.warc.gz", "s3://bucket/b.warc.gz"]


def test_a_path_in_a_list_without_a_folder_is_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.paths").write_text("a.warc\n/b.warc\ngs://c/d.warc\nhttp://e/f.warc\nhttps://g/h.warc\n")
    assert read_paths("x.paths") == ["./a.warc", "/b.warc", "gs://c/d.warc", "http://e/f.warc", "https://g/h.warc"]


def test_a_record_is_described_by_its_headers(tmp_path: Path) -> None:
    path = tmp_path / "a.warc"
    write(path, ("http://a/1", HEAD, b"<p>one"))
    with path.open("rb") as handle:
        (response,) = fastwarc.warc.ArchiveIterator(handle, record_types=fastwarc.warc.WarcRecordType.response)
    (page,) = read_warc(str(path))
    assert isinstance(page, HtmlResponse)
    assert (page.url, page.record_id, page.offset, page.fetched_at) == (
        "http://a/1",
        response.record_id,
        response.stream_pos,
        DATE,
    )
    assert (page.status, page.content_type, page.truncated) == (200, "text/html; charset=utf-8", False)
    assert page.headers == (("Content-Type", "text/html; charset=utf-8"),)


def test_a_page_that_the_crawler_cut_off_says_so(tmp_path: Path) -> None:
    headers = {"WARC-Target-URI": "<http://a/1>", "WARC-Truncated": "length"} | HTTP
    path = write_records(tmp_path / "a.warc", ("response", headers, HEAD + b"\r\n<p>cut"))
    (page,) = read_warc(path)
    assert isinstance(page, HtmlResponse)
    assert (page.url, page.truncated) == ("http://a/1", True)  # some writers put the URL in angle brackets


def test_the_outcome_of_a_cut_names_file_and_offset(tmp_path: Path) -> None:
    path = tmp_path / "a.warc"
    data = write(path, ("http://a/1", HEAD, b"<p>one"))
    path.write_bytes(data[:-5])
    last = read_warc(str(path))
    *_, cut = last
    assert isinstance(cut, SkippedRecord)
    assert (cut.url, cut.record_id, cut.fetched_at) == ("a.warc", "truncated a.warc", "")
    assert isinstance(cut.verdict, Dead)
    assert cut.verdict.error == "truncated_warc"
    assert cut.verdict.message.startswith(f"{path}: at or after byte {cut.offset}: ")
    assert cut.offset > 0


def test_metadata_after_a_response_is_not_taken_for_a_wat_file(tmp_path: Path) -> None:
    path = write_records(
        tmp_path / "a.warc",
        ("response", {"WARC-Target-URI": "http://a/1"} | HTTP, HEAD + b"\r\n<p>one"),
        ("metadata", {"Content-Type": "application/json"}, b'{"Envelope": {}}'),
    )
    assert [page.url for page in read_warc(path)] == ["http://a/1"]


def with_line_feeds(kind: str, headers: dict[str, str], block: bytes) -> bytes:
    """Return a record whose lines end with LF."""
    lines = ["WARC/1.0", f"WARC-Type: {kind}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\n".join([*lines, f"Content-Length: {len(block)}", "", ""]).encode() + block + b"\n\n"


@pytest.mark.parametrize("compress", ["no", "each", "all"])
def test_line_feeds_alone_are_read_and_resolved(tmp_path: Path, compress: str) -> None:
    first = {"WARC-Target-URI": "http://a/1", "WARC-Payload-Digest": digest_of(b"<p>one")} | HTTP
    head = HEAD.replace(b"\r\n", b"\n") + b"\n"
    parts = [
        with_line_feeds("response", first, head + b"<p>one"),
        with_line_feeds("revisit", first | {"WARC-Target-URI": "http://a/2"}, head),
    ]
    data = b"".join(map(gzip.compress, parts) if compress == "each" else parts)
    path = tmp_path / "a.warc"
    path.write_bytes(gzip.compress(data) if compress == "all" else data)
    one, two = read_warc(str(path), verify=True)
    assert isinstance(one, HtmlResponse)
    assert (one.body, one.url, one.content_type) == (b"<p>one", "http://a/1", "text/html; charset=utf-8")
    assert isinstance(two, HtmlResponse)
    assert (two.body, two.url) == (b"<p>one", "http://a/2")


@pytest.mark.parametrize("compress", [False, True])
def test_an_image_inside_a_gzip_member_is_not_noted(tmp_path: Path, compress: bool) -> None:
    headers = {"WARC-Target-URI": "http://a/i.png", "Content-Type": "image/png"}
    data = with_line_feeds("resource", headers, b"\x89PNG\r\n\x1a\n") * 2
    (tmp_path / "a.warc").write_bytes(gzip.compress(data) if compress else data)
    images = [row.image for row in read_warc(str(tmp_path / "a.warc")) if isinstance(row, SkippedRecord)]
    assert images == ([True, False] if compress else [True, True])


def test_a_file_of_requests_only_says_so(tmp_path: Path) -> None:
    request = (
        "request",
        {"WARC-Target-URI": "http://a/1", "Content-Type": "application/http"},
        b"GET / HTTP/1.1\r\n\r\n",
    )
    (row,) = read_warc(write_records(tmp_path / "a.warc", request, request))
    assert isinstance(row, SkippedRecord)
    assert (row.url, row.verdict) == ("a.warc", Rejected("no_responses"))
    (tmp_path / "empty.warc").write_bytes(b"")
    assert list(read_warc(str(tmp_path / "empty.warc"))) == []
