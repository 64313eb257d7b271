"""Taking images down removes all traces of them from a store and nothing else, also after a kill, reindex or sweep."""

import gzip
from pathlib import Path

import pytest

from corpusloom.pipelines.builds import apply_tombstones
from corpusloom.pipelines.builds.apply_tombstones import purge_store, purge_warc
from corpusloom.pipelines.datasets.forget import make_tombstones
from corpusloom.pipelines.store import tombstones
from corpusloom.pipelines.store.images.outcomes import FetchedImage
from corpusloom.pipelines.store.images.packs import PackWriter
from corpusloom.pipelines.store.images.recovery import reindex, sweep
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.tombstones import Tombstones
from corpusloom.schemas.errors import InputError
from tests.pipelines.store.store_maker import DATE, answer, fill, outcomes, png, wanted
from tests.pipelines.store.warc import warc_files

NAMES = [name for name, _ in outcomes()]


def content(store: ImageStore, *gone: str) -> dict[str, object]:
    """Return URL -> (outcome, bytes if it has any), without the URLs that were taken down."""
    index = ImageStore(store.folder).index()
    found: dict[str, object] = {}
    for name in NAMES:
        row = index.find(wanted(name).key)
        if name not in gone:
            assert row is not None
            found[name] = (row.outcome, row.reason, store.read(row) if row.outcome == "kept" else None)
    return found


def traces(store: ImageStore, text: bytes) -> list[str]:
    return [path.name for path in Path(store.path("packs")).iterdir() if text in path.read_bytes()]


def of_urls(*names: str) -> Tombstones:
    return make_tombstones(urls=tuple(wanted(name).url for name in names))


@pytest.mark.parametrize("gone", [("a",), ("again",), ("a", "again"), ("gone",), ("b", "c", "html", "slow")])
@pytest.mark.parametrize("each", [1, 3, 100])
def test_named_records_are_removed_and_all_others_stay(gone: tuple[str, ...], each: int, tmp_path: Path) -> None:
    store = fill(tmp_path, outcomes(), each=each)
    before = content(store, *gone)
    purge_store(store.folder, of_urls(*gone))
    assert content(store, *gone) == before
    for name in gone:
        assert traces(store, f"{wanted(name).url}\r".encode()) + traces(store, f'{wanted(name).url}"'.encode()) == []
    assert bool(traces(store, png(1))) == (set(gone) != {"a", "again"})
    assert sweep(store) == []
    reindex(store)
    assert content(store, *gone) == before
    assert all(store.index().find(wanted(name).key) is None for name in gone)


def test_an_image_named_by_its_bytes_goes_under_every_url_and_in_every_generation(tmp_path: Path) -> None:
    fill(tmp_path, outcomes())
    store = fill(tmp_path, [("a", answer(7))], generation=2)
    sha256 = next(row.sha256 for row in store.index().rows() if row.key == wanted("again").key)
    purge_store(store.folder, Tombstones(sha256=frozenset({sha256 or ""})))
    assert content(store, "again")["a"] == ("kept", None, png(7))
    assert traces(store, png(1)) == traces(store, (sha256 or "").encode()) == []


@pytest.mark.parametrize("killed_at", [1, 2, 3, 4])
def test_a_purge_that_was_killed_goes_on(killed_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = fill(tmp_path, [*outcomes(), ("b2", answer(2))], each=2)
    before, calls = content(store, "a", "gone"), 0
    stones, rewrite = of_urls("a", "gone"), apply_tombstones.rewrite

    def dies(*args: object) -> bool:
        nonlocal calls
        calls += 1
        if calls == killed_at:
            raise KeyboardInterrupt
        return rewrite(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(apply_tombstones, "rewrite", dies)
    with pytest.raises(KeyboardInterrupt):
        purge_store(store.folder, stones)
    monkeypatch.undo()
    assert content(store, "a", "gone") == before
    purge_store(store.folder, stones)
    assert content(store, "a", "gone") == before
    assert traces(store, f"{wanted('a').url}\r".encode()) == []
    reindex(store)
    assert content(store, "a", "gone") == before


def test_bytes_that_were_taken_down_are_not_written_again(tmp_path: Path) -> None:
    store = fill(tmp_path, outcomes())
    sha256 = next(row.sha256 for row in store.index().rows() if row.key == wanted("b").key)
    stones = Tombstones(sha256=frozenset({sha256 or ""}))
    tombstones.write(store.folder, stones)
    purge_store(store.folder, stones)
    writer = PackWriter(store, "lane-0", 1, 10**6)
    writer.add(wanted("copy"), FetchedImage(body=png(2), fetched_at=DATE))
    writer.commit()
    row = ImageStore(store.folder).index().find(wanted("copy").key)
    assert row is not None
    assert (row.outcome, row.reason) == ("rejected", "forgotten")
    assert traces(store, png(2)) == []


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_records_in_one_gzip_member_cannot_be_taken_out(tmp_path: Path, line_end: bytes) -> None:
    data = warc_files.write(tmp_path / "a.warc", *((f"http://a/{n}", warc_files.HEAD, b"<p>") for n in range(3)))
    path = tmp_path / "a.warc.gz"
    path.write_bytes(gzip.compress(data.replace(b"\r\n", line_end)))
    before = path.read_bytes()
    with pytest.raises(InputError, match="several records are in one gzip member"):
        purge_warc(str(path), str(tmp_path / "work"), make_tombstones(urls=("http://a/1",)))
    assert path.read_bytes() == before
