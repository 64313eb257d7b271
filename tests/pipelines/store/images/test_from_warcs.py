"""Images in WARCs are put into the store without a fetch, and their opt-outs are honoured."""

from dataclasses import replace
from pathlib import Path

import pytest

from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.net.refusals import Policy
from corpusloom.pipelines.store.images.from_warcs import WarcImage, read_notes, take_images, write_notes
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.warc.digests import digest_of
from corpusloom.pipelines.store.warc.reading import read_warc
from corpusloom.pipelines.store.warc.responses import SkippedRecord
from corpusloom.pipelines.store.warc.revisits import CollectionRevisitIndex
from corpusloom.pipelines.store.warc.writing import WarcWriter
from corpusloom.schemas import identity
from tests.pipelines.store.store_maker import DATE, fill, outcomes, png, wanted
from tests.pipelines.store.warc.warc_files import HTTP, write_records

POLICY = Policy(fetch=FetchConfig(honour=("noai",), max_image_bytes=10**6))


def write_warc(path: Path, answers: dict[str, tuple[bytes, bytes]]) -> list[WarcImage]:
    """Write one response (extra headers, body) per name; return the places of the images."""
    with path.open("wb") as handle:
        writer = WarcWriter(handle, compress=True)
        for name, (headers, body) in answers.items():
            head = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n" + headers + b"\r\n"
            writer.exchange(
                wanted(name).url, b"GET / HTTP/1.1\r\n\r\n", head, body, date=DATE, address=None, truncated=None
            )
    images = [row for row in read_warc(str(path)) if isinstance(row, SkippedRecord) and row.image]
    return [
        WarcImage(key=identity.image_key(row.url), url=row.url, warc=str(path), offset=row.offset) for row in images
    ]


def test_wanted_images_are_taken_once(tmp_path: Path) -> None:
    answers = {"new": (b'ETag: "x"\r\n', png(5)), "a": (b"", png(9)), "noai": (b"X-Robots-Tag: noai\r\n", png(6))}
    notes = write_warc(tmp_path / "x.warc.gz", answers | {"unwanted": (b"", png(7))})
    paths = [str(tmp_path / "notes.parquet")]
    write_notes(paths[0], notes)
    store = fill(tmp_path / "store", outcomes())
    names = [wanted(name) for name in ("new", "a", "noai", "elsewhere")]
    assert len(list(read_notes(paths))) == 4
    paths.append(str(tmp_path / "wrong.parquet"))
    write_notes(paths[1], [replace(notes[0], key=wanted("elsewhere").key, offset=notes[0].offset + 7)])
    assert take_images(paths, names, store, POLICY, 10**6).total() == 2
    index = ImageStore(store.folder).index()
    found = {name: index.find(wanted(name).key) for name in ("new", "a", "noai", "elsewhere", "unwanted")}
    assert found["new"]
    assert (store.read(found["new"]), found["new"].etag, found["new"].fetched_at) == (png(5), '"x"', DATE)
    assert found["a"]
    assert store.read(found["a"]) == png(1)
    assert found["noai"]
    assert found["noai"].reason == "opt_out_noai"
    assert found["elsewhere"] is found["unwanted"] is None
    assert take_images(paths, names, store, POLICY, 10**6).total() == 0
    obeyed_by_none = Policy(fetch=replace(POLICY.fetch, honour=()))
    assert take_images(paths, names, store, obeyed_by_none, 10**6) == {("kept", None): 1}
    allowed = store.index().find(wanted("noai").key)
    assert allowed
    assert (allowed.outcome, store.index().generation) == ("kept", 2)
    assert take_images(paths, names, store, POLICY, 10**6).total() == 0


OK = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"
PART = OK.replace(b"200 OK", b"206 Partial Content") + b"Content-Range: bytes 0-99/999\r\n"
IDENTICAL = {"WARC-Profile": "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"}
NOT_MODIFIED = {"WARC-Profile": "http://netpreserve.org/warc/1.1/revisit/server-not-modified"}


def of(name: str, body: bytes, **headers: str) -> dict[str, str]:
    """Return the WARC headers of a record of an image, underscores standing for hyphens."""
    own = {"WARC-Target-URI": wanted(name).url, "WARC-Payload-Digest": digest_of(body)} | HTTP
    return own | {name.replace("_", "-"): value for name, value in headers.items()}


def take(folder: Path, path: str, *names: str, across: tuple[str, ...] = ()) -> dict[str, tuple[str, bytes] | None]:
    """Take images from a WARC into a new store; return outcome and bytes by name, None for an image to be fetched."""
    revisits = CollectionRevisitIndex(across, 10**6) if across else None
    images = [row for row in read_warc(path, revisits=revisits) if isinstance(row, SkippedRecord) and row.image]
    notes = [WarcImage(key=identity.image_key(row.url), url=row.url, warc=path, offset=row.offset) for row in images]
    write_notes(str(folder / "notes.parquet"), notes)
    store = ImageStore(str(folder / "store"))
    take_images([str(folder / "notes.parquet")], map(wanted, names), store, POLICY, 10**6, across)
    found = {name: store.index().find(wanted(name).key) for name in names}
    return {
        name: None if row is None else (row.outcome, store.read(row) if row.pack else b"")
        for name, row in found.items()
    }


@pytest.mark.parametrize(
    "first",
    [
        ("response", of("a", png(1)), PART + b"\r\n" + png(1)[:100]),
        ("response", of("a", b""), OK + b"\r\n"),
        ("response", of("a", png(1)), OK + b"Content-Length: 9999\r\n\r\n" + png(1)),
        ("response", of("a", png(1), WARC_Truncated="length"), OK + b"\r\n" + png(1)[:80]),
        ("revisit", of("a", b"elsewhere") | IDENTICAL, OK + b"\r\n"),
        ("revisit", of("a", b"") | NOT_MODIFIED, b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    ],
)
def test_only_a_whole_body_decides(tmp_path: Path, first: tuple[str, dict[str, str], bytes]) -> None:
    alone = write_records(tmp_path / "alone.warc", first)
    assert take(tmp_path / "1", alone, "a") == {"a": None}
    whole = write_records(tmp_path / "whole.warc", first, ("response", of("a", png(1)), OK + b"\r\n" + png(1)))
    assert take(tmp_path / "2", whole, "a") == {"a": ("kept", png(1))}


def test_a_revisit_is_taken_as_its_original(tmp_path: Path) -> None:
    first = ("response", of("a", png(1)), OK + b"\r\n" + png(1))
    by_digest = ("revisit", of("b", png(1)) | IDENTICAL, OK + b"\r\n")
    same_url = of("a", b"", WARC_Refers_To_Target_URI=wanted("a").url, WARC_Refers_To_Date=DATE) | NOT_MODIFIED
    other_url = of("c", b"", WARC_Refers_To_Target_URI=wanted("a").url, WARC_Refers_To_Date=DATE) | NOT_MODIFIED
    unmodified = b"HTTP/1.1 304 Not Modified\r\n\r\n"
    records = first, by_digest, ("revisit", same_url, unmodified), ("revisit", other_url, unmodified)
    path = write_records(tmp_path / "a.warc", *records)
    assert take(tmp_path, path, "a", "b", "c") == {"a": ("kept", png(1)), "b": ("kept", png(1)), "c": None}


@pytest.mark.parametrize("across", [False, True])
def test_a_revisit_of_another_warc_is_taken_if_revisits_are_resolved_across(tmp_path: Path, across: bool) -> None:
    first = write_records(tmp_path / "a.warc", ("response", of("a", png(1)), OK + b"\r\n" + png(1)))
    path = write_records(tmp_path / "b.warc", ("revisit", of("b", png(1)) | IDENTICAL, OK + b"\r\n"))
    found = take(tmp_path, path, "b", across=(first, path) if across else ())
    assert found == {"b": ("kept", png(1)) if across else None}
