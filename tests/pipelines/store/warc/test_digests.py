"""Digests of WARC records: their spellings, and finding a mismatch."""

import hashlib
import io
from pathlib import Path

import pytest

from corpusloom.pipelines.store.warc import digests
from corpusloom.pipelines.store.warc.digests import digest_of, parse_digest, spell_digest
from corpusloom.pipelines.store.warc.reading import read_warc
from corpusloom.pipelines.store.warc.responses import HtmlResponse, SkippedRecord
from corpusloom.pipelines.store.warc.writing import WarcWriter
from corpusloom.schemas.verdicts import Dead
from tests.pipelines.store.warc.warc_files import HEAD, HTTP, write_records


@pytest.mark.parametrize("spell", ["{}", "sha256 in hex", "payload"])
def test_digests_are_checked_on_request(tmp_path: Path, spell: str) -> None:
    body, block = b"<p>good", HEAD + b"\r\n<p>good"
    http = {"WARC-Target-URI": "http://a/1", "Content-Type": "application/http; msgtype=response"}
    payload = {"WARC-Payload-Digest": digest_of(body if spell != "payload" else b"other")}
    digest = f"sha256:{hashlib.sha256(block).hexdigest()}" if spell == "sha256 in hex" else None
    buffer = io.BytesIO()
    writer = WarcWriter(buffer, compress=False)
    writer.write("response", http | {"WARC-Record-ID": "<urn:uuid:1>"} | payload, block, digest=digest)
    good = buffer.getvalue()
    (tmp_path / "good.warc").write_bytes(good)
    (tmp_path / "bad.warc").write_bytes(good.replace(b"<p>good", b"<p>evil"))
    answers = [list(read_warc(str(tmp_path / f"{name}.warc"), verify=True)) for name in ("good", "bad")]
    verdicts = [answer[0].verdict.error if isinstance(answer[0], SkippedRecord) else "page" for answer in answers]
    assert verdicts == ["page" if spell != "payload" else "digest_mismatch", "digest_mismatch"]
    (unchecked,) = read_warc(str(tmp_path / "bad.warc"))
    assert isinstance(unchecked, HtmlResponse)


def test_a_chunked_payload_has_either_digest(tmp_path: Path) -> None:
    chunked, plain = b"3\r\nabc\r\n0\r\n\r\n", b"abc"
    head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    http = {"WARC-Target-URI": "http://a/1", "Content-Type": "application/http; msgtype=response"}
    records = [("response", http | {"WARC-Payload-Digest": digest_of(body)}, head + chunked)
               for body in (chunked, plain, b"ab")]  # fmt: skip
    found = list(read_warc(write_records(tmp_path / "a.warc", *records), verify=True))
    assert [isinstance(page, HtmlResponse) for page in found] == [True, True, False]


def test_a_digest_is_algorithm_and_base32() -> None:
    assert digest_of(b"") == "sha1:3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ"
    assert digest_of(b"abc", "sha256") == spell_digest("sha256", hashlib.sha256(b"abc").digest())


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512", "md5"])
def test_digests_are_parsed_in_both_spellings(algorithm: str) -> None:
    raw = hashlib.new(algorithm, b"abc").digest()
    assert parse_digest(digest_of(b"abc", algorithm)) == (algorithm, raw)
    assert parse_digest(f" {algorithm.upper()}: {raw.hex()} ") == (algorithm, raw)
    assert parse_digest(digest_of(b"abc", algorithm).rstrip("=").lower()) is not None


def test_an_algorithm_may_be_spelled_with_a_hyphen() -> None:
    assert parse_digest("SHA-256:" + "00" * 32) == ("sha256", bytes(32))


@pytest.mark.parametrize("text", [None, "", "crc32:00000000", "sha1"])
def test_an_unknown_algorithm_is_ignored(text: str | None) -> None:
    assert parse_digest(text) == (("sha1", b"") if text == "sha1" else None)


@pytest.mark.parametrize("value", ["not base32!", "zz" * 20])
def test_a_malformed_digest_matches_nothing(value: str) -> None:
    assert parse_digest(f"sha1:{value}") == ("sha1", b"")


def outcome(path: str, *, limit: int = 10_000) -> str:
    (found,) = read_warc(path, limit, verify=True)
    return found.verdict.message if isinstance(found, SkippedRecord) and isinstance(found.verdict, Dead) else "page"


def test_the_message_names_the_digest_that_does_not_match(tmp_path: Path) -> None:
    headers = {"WARC-Target-URI": "http://a/1"} | HTTP
    block, wrong = HEAD + b"\r\n<p>", digest_of(b"wrong")
    path = write_records(tmp_path / "a.warc", ("response", headers | {"WARC-Payload-Digest": wrong}, block))
    assert outcome(path) == f"the payload is not {wrong}"
    data = Path(path).read_bytes().replace(b"<p>", b"<q>")
    (tmp_path / "b.warc").write_bytes(data)
    assert outcome(str(tmp_path / "b.warc")) == f"the block is not {digest_of(block)}"


def test_a_resource_is_hashed_as_a_whole(tmp_path: Path) -> None:
    body = b"<p>a\r\n\r\nb"
    headers = {"WARC-Target-URI": "http://a/1", "Content-Type": "text/html", "WARC-Payload-Digest": digest_of(body)}
    assert outcome(write_records(tmp_path / "a.warc", ("resource", headers, body))) == "page"


def test_a_block_longer_than_the_limit_is_hashed_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "STEP", 7)
    headers = {"WARC-Target-URI": "http://a/1"} | HTTP
    path = write_records(tmp_path / "a.warc", ("response", headers, HEAD + b"\r\n" + b"x" * 500))
    assert outcome(path, limit=60) == "page"
    data = Path(path).read_bytes()
    (tmp_path / "b.warc").write_bytes(
        data.replace(b"x\r\n\r\nWARC", b"y\r\n\r\nWARC").replace(b"xxx\r\n\r\n", b"xxy\r\n\r\n")
    )
    assert outcome(str(tmp_path / "b.warc"), limit=60).startswith("the block is not")


def test_the_payload_of_a_block_that_was_read_in_part_is_not_checked(tmp_path: Path) -> None:
    headers = {"WARC-Target-URI": "http://a/1", "WARC-Payload-Digest": digest_of(b"wrong")} | HTTP
    path = write_records(tmp_path / "a.warc", ("response", headers, HEAD + b"\r\n" + b"x" * 500))
    assert outcome(path, limit=60) == "page"
    assert outcome(path, limit=6_000).startswith("the payload is not")


def test_the_payload_digest_of_a_revisit_is_that_of_its_original(tmp_path: Path) -> None:
    body = b"<p>the same"
    digest = {"WARC-Payload-Digest": digest_of(body)} | HTTP
    path = write_records(
        tmp_path / "a.warc",
        ("response", {"WARC-Target-URI": "http://a/1"} | digest, HEAD + b"\r\n" + body),
        ("revisit", {"WARC-Target-URI": "http://a/2"} | digest, HEAD + b"\r\n"),
    )
    assert all(isinstance(page, HtmlResponse) for page in read_warc(path, verify=True))
