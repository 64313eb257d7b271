"""Images in WARCs are put into the store without a fetch, and their opt-outs are honoured."""

from dataclasses import replace
from pathlib import Path

from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.net.refusals import Policy
from corpusloom.pipelines.store.images.from_warcs import WarcImage, read_notes, take_images, write_notes
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.warc.reading import read_warc
from corpusloom.pipelines.store.warc.responses import SkippedRecord
from corpusloom.pipelines.store.warc.writing import WarcWriter
from corpusloom.schemas import identity
from tests.pipelines.store.store_maker import DATE, fill, outcomes, png, wanted

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
