"""WARCs: what we write warcio reads, what others write we read, and nothing is silently lost."""

import functools
import gzip
import hashlib
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
from warcio.archiveiterator import ArchiveIterator
from warcio.checker import Checker

from corpusloom.pipelines.store.warc import records as warc
from corpusloom.pipelines.store.warc.revisits import Across
from corpusloom.schemas.errors import DamageError, InputError
from corpusloom.schemas.verdicts import Dead, Rejected

DATE = "2026-01-02T03:04:05Z"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"


def write(path: Path, *answers: tuple[str, bytes, bytes]) -> bytes:
    """Write exchanges (url, response head without its blank line, body)."""
    buffer = io.BytesIO()
    writer = warc.WarcWriter(buffer, compress=path.suffix == ".gz")
    writer.warcinfo({"software": "test"}, DATE)
    for url, head, body in answers:
        writer.exchange(
            url, b"GET / HTTP/1.1\r\n\r\n", head + b"\r\n", body, date=DATE, address="192.0.2.1", truncated=None
        )
    path.write_bytes(buffer.getvalue())
    return buffer.getvalue()


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
    pages = list(warc.read_warc(str(tmp_path / name)))
    assert all(isinstance(page, warc.WarcPage) for page in pages)
    assert [page.body for page in pages[:4]] == [body] * 4  # type: ignore[union-attr]
    assert {page.fetched_at for page in pages} == {DATE}


def test_what_is_no_page_has_its_reason(tmp_path: Path) -> None:
    write(
        tmp_path / "a.warc",
        ("http://a/404", b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n", b"gone"),
        ("http://a/image", b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n", b"\x89PNG"),
        ("http://a/bad", b"nothing like HTTP\r\n", b""),
    )
    verdicts = [page.verdict for page in warc.read_warc(str(tmp_path / "a.warc")) if isinstance(page, warc.Skipped)]
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
        outcomes = list(warc.read_warc(str(path)))
    pages = [outcome for outcome in outcomes if isinstance(outcome, warc.WarcPage)]
    assert [page.url for page in pages] == [f"http://a/{n}" for n in range(len(pages))]
    assert all(page.body == b"<p>text</p>" * 40 for page in pages)
    assert [o.verdict.error for o in outcomes if isinstance(o, warc.Skipped)] == ["truncated_warc"]  # type: ignore[union-attr]


def test_a_resource_is_read_back_by_its_place(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    writer = warc.WarcWriter(buffer, compress=False)
    writer.metadata("http://a/", {"outcome": "dead"}, date=DATE)
    place = writer.resource("http://a/i.png", "image/png", b"bytes\r\n\r\nof it", date=DATE)
    (tmp_path / "p.warc").write_bytes(buffer.getvalue())
    assert warc.read_resource(str(tmp_path / "p.warc"), *place) == b"bytes\r\n\r\nof it"
    with pytest.raises(DamageError, match="no WARC record"):
        warc.read_resource(str(tmp_path / "p.warc"), place[0] + 3, place[1])


def test_bombs_stop_at_the_cap(tmp_path: Path) -> None:
    for name, coding, bomb in (
        ("gzip", b"gzip", gzip.compress(b"\0" * 50_000_000)),
        ("br", b"br", brotli.compress(b"\0" * 5_000_000)),
    ):
        path = tmp_path / f"{name}.warc.gz"
        write(path, ("http://a/", HEAD + b"Content-Encoding: " + coding + b"\r\n", bomb))
        (page,) = warc.read_warc(str(path), limit=100_000)
        assert isinstance(page, warc.WarcPage)
        assert (len(page.body), page.truncated) == (100_000, True)


def write_records(path: Path, *records: tuple[str, dict[str, str], bytes]) -> str:
    """Write records of any type."""
    buffer = io.BytesIO()
    writer = warc.WarcWriter(buffer, compress=False)
    writer.warcinfo({"software": "test"}, DATE)
    for number, (kind, headers, block) in enumerate(records):
        common = {"WARC-Record-ID": f"<urn:uuid:00000000-0000-4000-8000-{number:012d}>", "WARC-Date": DATE}
        writer.write(kind, common | headers, block)
    path.write_bytes(buffer.getvalue())
    return str(path)


def test_a_revisit_is_read_as_what_it_points_back_to(tmp_path: Path) -> None:
    body = b"<p>the same"
    http = {"Content-Type": "application/http; msgtype=response"}
    digest = {"WARC-Payload-Digest": warc.digest_of(body)}
    path = write_records(
        tmp_path / "a.warc",
        ("response", {"WARC-Target-URI": "http://a/1"} | http | digest, HEAD + b"\r\n" + body),
        ("revisit", {"WARC-Target-URI": "http://a/2"} | http | digest, HEAD + b"X-Later: yes\r\n\r\n"),
        ("revisit", {"WARC-Target-URI": "http://a/3", "WARC-Payload-Digest": "sha1:UNKNOWN"} | http, HEAD + b"\r\n"),
    )
    first, second, third = warc.read_warc(path)
    assert isinstance(first, warc.WarcPage)
    assert isinstance(second, warc.WarcPage)
    assert (second.url, second.body, ("X-Later", "yes") in second.headers) == ("http://a/2", body, True)
    assert isinstance(third, warc.Skipped)
    assert third.verdict == Rejected("revisit_unresolved")


def test_a_revisit_may_point_into_another_warc(tmp_path: Path) -> None:
    http = {"Content-Type": "application/http; msgtype=response"}
    bodies = [b"<p>one", b"<p>two", b"<p>three"]
    originals = write_records(
        tmp_path / "b.warc",
        *(
            ("response", {"WARC-Target-URI": f"http://a/{n}", "WARC-Payload-Digest": warc.digest_of(body)} | http,
             HEAD + b"\r\n" + body)
            for n, body in enumerate(bodies)
        ),
    )  # fmt: skip
    by_url = {"WARC-Refers-To-Target-URI": "http://a/1", "WARC-Refers-To-Date": DATE}
    path = write_records(
        tmp_path / "a.warc",
        ("revisit", {"WARC-Refers-To": "<urn:uuid:00000000-0000-4000-8000-000000000000>"} | http, HEAD + b"\r\n"),
        ("revisit", by_url | http, HEAD + b"\r\n"),
        ("revisit", {"WARC-Payload-Digest": warc.digest_of(bodies[2])} | http, HEAD + b"\r\n"),
        ("revisit", {"WARC-Payload-Digest": "sha1:UNKNOWN"} | http, HEAD + b"\r\n"),
    )
    (tmp_path / "cut.warc").write_bytes(Path(originals).read_bytes()[:-70])
    across = Across((path, originals, str(tmp_path / "cut.warc")), warc.MAX_BODY)
    found = list(warc.read_warc(path, across=across))
    assert [page.body for page in found if isinstance(page, warc.WarcPage)] == bodies
    assert [page.verdict for page in found if isinstance(page, warc.Skipped)] == [Rejected("revisit_unresolved")]
    assert all(isinstance(page, warc.Skipped) for page in warc.read_warc(path))


@pytest.mark.parametrize("spell", ["{}", "sha256 in hex", "payload"])
def test_digests_are_checked_on_request(tmp_path: Path, spell: str) -> None:
    body, block = b"<p>good", HEAD + b"\r\n<p>good"
    http = {"WARC-Target-URI": "http://a/1", "Content-Type": "application/http; msgtype=response"}
    payload = {"WARC-Payload-Digest": warc.digest_of(body if spell != "payload" else b"other")}
    digest = f"sha256:{hashlib.sha256(block).hexdigest()}" if spell == "sha256 in hex" else None
    buffer = io.BytesIO()
    writer = warc.WarcWriter(buffer, compress=False)
    writer.write("response", http | {"WARC-Record-ID": "<urn:uuid:1>"} | payload, block, digest=digest)
    good = buffer.getvalue()
    (tmp_path / "good.warc").write_bytes(good)
    (tmp_path / "bad.warc").write_bytes(good.replace(b"<p>good", b"<p>evil"))
    answers = [list(warc.read_warc(str(tmp_path / f"{name}.warc"), verify=True)) for name in ("good", "bad")]
    verdicts = [answer[0].verdict.error if isinstance(answer[0], warc.Skipped) else "page" for answer in answers]
    assert verdicts == ["page" if spell != "payload" else "digest_mismatch", "digest_mismatch"]
    (unchecked,) = warc.read_warc(str(tmp_path / "bad.warc"))
    assert isinstance(unchecked, warc.WarcPage)


def test_a_chunked_payload_has_either_digest(tmp_path: Path) -> None:
    chunked, plain = b"3\r\nabc\r\n0\r\n\r\n", b"abc"
    head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    http = {"WARC-Target-URI": "http://a/1", "Content-Type": "application/http; msgtype=response"}
    records = [("response", http | {"WARC-Payload-Digest": warc.digest_of(body)}, head + chunked)
               for body in (chunked, plain, b"ab")]  # fmt: skip
    found = list(warc.read_warc(write_records(tmp_path / "a.warc", *records), verify=True))
    assert [isinstance(page, warc.WarcPage) for page in found] == [True, True, False]


def test_texts_and_metadata_made_from_warcs_are_told_apart(tmp_path: Path) -> None:
    wet = write_records(tmp_path / "wet.warc", ("conversion", {"Content-Type": "text/plain"}, b"words"))
    wat = write_records(tmp_path / "wat.warc", ("metadata", {"Content-Type": "application/json"}, b'{"Envelope": {}}'))
    for path, kind in ((wet, "WET"), (wat, "WAT")):
        with pytest.raises(InputError, match=kind):
            list(warc.read_warc(path))
    plain = write_records(tmp_path / "plain.warc", ("metadata", {"Content-Type": "application/json"}, b"{}"))
    assert list(warc.read_warc(plain)) == []


def test_resources_are_pages_and_images_are_noted(tmp_path: Path) -> None:
    path = write_records(
        tmp_path / "a.warc",
        ("resource", {"WARC-Target-URI": "file:///a.html", "Content-Type": "text/html"}, b"<p>hello"),
        ("resource", {"WARC-Target-URI": "http://a/i.png", "Content-Type": "image/png"}, b"\x89PNG\r\n\x1a\n"),
    )
    page, image = warc.read_warc(path)
    assert isinstance(page, warc.WarcPage)
    assert isinstance(image, warc.Skipped)
    assert image.image
    answer = warc.read_answer(path, image.offset, 1000)
    assert isinstance(answer, tuple)
    assert answer[1:] == (b"\x89PNG\r\n\x1a\n", DATE)


def test_zstd_files_are_whole_when_they_are(tmp_path: Path) -> None:
    import zstandard

    write(tmp_path / "a.warc", ("http://a/", HEAD, b"<p>text"))
    data = zstandard.ZstdCompressor().compress((tmp_path / "a.warc").read_bytes())
    (tmp_path / "a.warc.zst").write_bytes(data)
    (page,) = warc.read_warc(str(tmp_path / "a.warc.zst"))
    assert isinstance(page, warc.WarcPage)
    (tmp_path / "a.warc.zst").write_bytes(data[:-9])
    assert any(isinstance(row, warc.Skipped) for row in warc.read_warc(str(tmp_path / "a.warc.zst")))


def test_lz4_files_are_read(tmp_path: Path) -> None:
    plain = write(tmp_path / "a.warc", ("http://a/", HEAD, b"<p>hello"))
    stored = (len(plain) | 1 << 31).to_bytes(4, "little") + plain  # one block, not compressed
    (tmp_path / "b.warc.lz4").write_bytes(b"\x04\x22\x4d\x18\x60\x40\x82" + stored + bytes(4))
    (page,) = warc.read_warc(str(tmp_path / "b.warc.lz4"), verify=True)
    assert isinstance(page, warc.WarcPage)
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
    pages = list(warc.read_warc(str(tmp_path / "w.warc.gz"), verify=True))
    assert [page.body for page in pages if isinstance(page, warc.WarcPage)] == [b"<p>hello from wget"]
    assert not any(isinstance(page.verdict, Dead) for page in pages if isinstance(page, warc.Skipped))


def test_a_list_of_paths(tmp_path: Path) -> None:
    (tmp_path / "x.paths.gz").write_bytes(gzip.compress(b"crawl/a.warc.gz\n\ns3://bucket/b.warc.gz\n"))
    assert warc.read_paths(str(tmp_path / "x.paths.gz")) == [f"{tmp_path}/crawl/a.warc.gz", "s3://bucket/b.warc.gz"]
