"""Blocklists: listed entries are found, near hashes within their distance, and a bad line is an error."""

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from corpusloom.pipelines.dedup.image_hashes import hash_image
from corpusloom.pipelines.store.images.blocklists import (
    Blocklist,
    NearHashes,
    check_entries,
    compile_lists,
    load_entries,
    parse_entry,
)
from corpusloom.pipelines.store.images.packs import PackWriter
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.schemas.images.decoding import decode_rgb
from corpusloom.schemas.verdicts import Rejected
from tests.pipelines.store.store_maker import answer, png, wanted


def write(path: Path, *lines: str) -> str:
    path.write_text("# a list\n\n" + "\n".join(lines))
    return str(path)


def phash(body: bytes) -> str:
    return hash_image(decode_rgb(body)).phash


def load(tmp_path: Path, kind: str, *lines: str) -> Blocklist:
    return Blocklist.load([f"{kind}={write(tmp_path / 'list.txt', *lines)}"], phash)


def test_content_is_found_by_its_hashes(tmp_path: Path) -> None:
    body = png(1)
    sha256, md5 = hashlib.sha256(body).hexdigest(), hashlib.md5(body).hexdigest()
    for kind, line in (("sha256", sha256), ("sha256", sha256.upper()), ("md5", md5), ("phash:4", phash(body))):
        found = load(tmp_path, kind, "0" * len(line), line).of_content(body, sha256)
        assert found is not None
        assert found.reason == f"blocked_{kind.split(':')[0]}"
        assert load(tmp_path, kind, "0" * len(line)).of_content(body, sha256) is None


@given(st.sets(st.binary(min_size=32, max_size=32), max_size=20), st.binary(min_size=32, max_size=32))
@example({bytes(31) + b"\1", bytes(32)}, bytes(32))
@example({b"\1" * 15 + bytes(17)}, b"\1" * 15 + bytes(17))
def test_what_is_listed_is_found_whatever_bytes_it_ends_with(listed: set[bytes], other: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        blocklist = load(Path(folder), "sha256", *(digest.hex() for digest in listed))
    halves = {digest[:16] for digest in listed}  # the length that the list stores
    for digest in {*listed, other}:
        assert (blocklist.of_content(b"", digest.hex()) is not None) == (digest[:16] in halves)


def test_urls_and_domains_are_found(tmp_path: Path) -> None:
    urls = load(tmp_path, "url", "http://example.org/a.jpg")
    assert urls.of_url("https://www.example.org:443/a.jpg") == Rejected("blocked_url")
    assert urls.of_url("http://example.org/b.jpg") is None
    domains = load(tmp_path, "domain", "example.org", "bücher.example")
    blocked = [
        "http://example.org/",
        "http://a.b.EXAMPLE.org./x",
        "http://xn--bcher-kva.example/",
        "http://bücher.example",
    ]
    assert all(domains.of_url(url) == Rejected("blocked_domain") for url in blocked)
    assert not any(domains.of_url(url) for url in ("http://notexample.org/", "http://org/", "nonsense"))


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=40), st.integers(0, 2**64 - 1), st.integers(0, 11))
def test_near_hashes_are_those_of_a_full_scan(hashes: list[int], near: int, distance: int) -> None:
    flipped = hashes[0] ^ (near & (1 << 7) - 1)  # not far from one of them
    index = NearHashes(np.array(sorted(set(hashes)), dtype=np.uint64), distance)
    for value in (near, flipped):
        best = min((value ^ other).bit_count() for other in hashes)
        assert index.nearest(value) == (best if best <= distance else None)


def test_what_is_blocked_is_never_written(tmp_path: Path) -> None:
    sha256 = hashlib.sha256(png(1)).hexdigest()
    store = ImageStore(str(tmp_path / "store"))
    writer = PackWriter(store, "lane-0", 1, 10**6, blocklist=load(tmp_path, "sha256", sha256))
    writer.add(wanted("a"), answer(1))
    writer.add(wanted("b"), answer(2))
    writer.commit()
    row = store.index().find(wanted("a").key)
    assert row is not None
    assert (row.outcome, row.reason, row.sha256, row.pack) == ("rejected", "blocked_sha256", sha256, None)
    (pack,) = (tmp_path / "store" / "packs").iterdir()
    assert png(1) not in pack.read_bytes()
    assert png(2) in pack.read_bytes()


@pytest.mark.parametrize(
    ("kind", "line"),
    [("sha256", "ab"), ("md5", "z" * 32), ("phash", "1" * 15), ("url", "example.org"), ("domain", "a/b")],
)
def test_a_line_that_is_no_entry_is_named(tmp_path: Path, kind: str, line: str) -> None:
    with pytest.raises(InputError, match="line 3"):
        load(tmp_path, kind, line)
    with pytest.raises(InputError, match="line 3"):
        check_entries(kind, str(tmp_path / "list.txt"))  # type: ignore[arg-type]


@pytest.mark.parametrize("entry", ["sha256", "sha1=x", "phash:99=x", "md5:4=x", "phash:x=y", "sha256="])
def test_malformed_entries_are_refused(entry: str) -> None:
    with pytest.raises(ConfigError):
        parse_entry(entry)


def test_an_entry_names_its_kind_distance_and_path() -> None:
    assert parse_entry("sha256=a=b.txt") == ("sha256", 0, "a=b.txt")
    assert parse_entry("phash=x") == ("phash", 0, "x")
    assert parse_entry("phash:11=x") == ("phash", 11, "x")
    with pytest.raises(ConfigError):
        parse_entry("phash:12=x")


def test_a_pack_holds_no_image_whose_look_is_listed(tmp_path: Path) -> None:
    store = ImageStore(str(tmp_path / "store"))
    writer = PackWriter(store, "lane-0", 1, 10**6, blocklist=load(tmp_path, "phash:0", phash(png(1))))
    for number in (1, 2):
        writer.add(wanted(str(number)), answer(number))
    writer.commit()
    found = [store.index().find(wanted(str(number)).key) for number in (1, 2)]
    assert [(row.outcome, row.reason) for row in found if row] == [("rejected", "blocked_phash"), ("kept", None)]
    assert not any(png(1) in pack.read_bytes() for pack in (tmp_path / "store" / "packs").iterdir())


def test_a_list_is_read_the_same_fast_line_by_line_and_compiled(tmp_path: Path) -> None:
    for kind, digits in (("sha256", 64), ("md5", 32), ("phash", 16)):
        hashes = [hashlib.sha512(str(n).encode()).hexdigest()[:digits] for n in range(200)]
        plain, odd = tmp_path / f"{kind}.txt", tmp_path / f"{kind}-odd.txt"
        plain.write_text("".join(f"{line}\n" for line in [*hashes, hashes[0]]))
        odd.write_text("# a list\r\n" + "\r\n\r\n".join(hashes))
        entries = [load_entries(kind, str(path)) for path in (plain, odd)]  # type: ignore[arg-type]
        (compiled,) = compile_lists([f"{kind}={plain}"], str(tmp_path))
        entries.append(load_entries(kind, compiled.partition("=")[2]))  # type: ignore[arg-type]
        assert len(entries[0]) == 200
        assert all(np.array_equal(entries[0], other) for other in entries)
    spaced = "ab " * 21 + "a\n"  # as long as a sha256, and hexadecimal but for its spaces
    with pytest.raises(InputError, match="line 2 is no sha256"):
        load_entries("sha256", write_raw(tmp_path / "s.txt", f"{'0' * 64}\n{spaced}"))


def write_raw(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)
