"""Repeated images, held-out parts and take-downs in a build, and records lost between stages."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from corpusloom.pipelines.builds import build
from corpusloom.pipelines.builds.config import BuildConfig
from corpusloom.pipelines.datasets.forget import make_tombstones
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.recipes.recipe import Recipe, load_recipe
from corpusloom.pipelines.stages import shards
from corpusloom.pipelines.store import tombstones
from corpusloom.pipelines.store.stages import ConservationError
from corpusloom.pipelines.store.tombstones import Tombstones
from corpusloom.pipelines.store.warc.writing import WarcWriter
from corpusloom.schemas import identity, tables
from corpusloom.schemas.manifest import Manifest, read_manifest
from corpusloom.schemas.records import LedgerRow, SidecarRow
from tests.pipelines.small_web import QUIET
from tests.pipelines.stages.extract.test_list_pairs import SIDE, text_of, write_folder
from tests.pipelines.store.store_maker import DATE, png

TEXTS = (
    "The old mill stands where the river turns, and in spring the water reaches the lowest of its wooden steps.",
    "A miller lived here until the last war; his tools hang on the wall beside a map of every field he served.",
    "Children come with their teachers to see how grain was ground, and they take home a small bag of flour.",
    "In the yard a fig tree grows against the warm stones, which is rare so far north and a matter of pride.",
    "Whoever visits in winter should bring boots, because the path floods and the bridge has been closed for years.",
)
SHOWN = (0, 1, 0, 2, 0)
"""Numbers of the pictures that the page shows, in order."""


def write_page(path: Path) -> str:
    """Write a WARC of one page that shows a picture three times, each under its own URL, and of the pictures."""
    urls = [f"/{number}-{place}.png" for place, number in enumerate(SHOWN)]
    blocks = zip(TEXTS, urls, strict=True)
    html = "".join(f'<p>{text}</p><p><img src="{url}" alt="a picture"></p>' for text, url in blocks)
    answers = {"/page": ("text/html", f"<html><body><article>{html}</article></body></html>".encode())}
    answers |= {url: ("image/png", png(int(url[1]), SIDE)) for url in urls}
    with path.open("wb") as handle:
        writer = WarcWriter(handle, compress=True)
        for name, (kind, body) in answers.items():
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode()
            url = f"http://example.org{name}"
            writer.exchange(url, b"GET / HTTP/1.1\r\n\r\n", head, body, date=DATE, address=None, truncated=None)
    return str(path)


def config(folder: Path, recipe: Recipe, **changes: Any) -> BuildConfig:
    """Return the configuration of a build that may not fetch."""
    places = {name: str(folder / name) for name in ("out", "work", "store")}
    return replace(BuildConfig(recipe=recipe, warcs=(), fetch=FetchConfig(), workers=0, **places), **changes)


def run(folder: Path, recipe: Recipe, **changes: Any) -> Manifest:
    """Build a dataset; return its manifest."""
    manifest = build.build(config(folder, recipe, **changes), QUIET).manifest
    assert manifest is not None
    return manifest


def samples(out: Path) -> list[SidecarRow]:
    """Return the sidecar rows of a dataset."""
    entries = read_manifest(str(out)).shards
    return [row for entry in entries for row in tables.read_records(str(out / entry.sidecar.name), SidecarRow)]


def ledger(out: Path, stage: str) -> list[LedgerRow]:
    """Return the ledger of one stage of a dataset."""
    return list(tables.read_records(str(out / "ledger" / f"{stage}.parquet"), LedgerRow))


# --- repeats within a page ---


@pytest.mark.parametrize(("once", "kept"), [(True, (0, 1, 2)), (False, SHOWN)], ids=["once", "again"])
def test_a_repeated_image_is_kept_only_if_the_recipe_says_so(once: bool, kept: tuple[int, ...], tmp_path: Path) -> None:
    recipe = load_recipe("m3w", (f"images.once_per_page={str(once).lower()}",))
    manifest = run(tmp_path, recipe, warcs=(write_page(tmp_path / "page.warc.gz"),))
    (sample,) = samples(tmp_path / "out")
    found = [member.sha256 for member in sample.members if member.sha256 is not None]
    assert found == [hashlib.sha256(png(number, SIDE)).hexdigest() for number in kept]
    counts = next(row for row in manifest.counts if row.unit == "image_occurrence")
    assert counts.rejected == ({"repeated_in_page": 2} if once else {})


# --- held-out parts ---


def test_the_same_samples_are_held_out_wherever_they_are_built(tmp_path: Path) -> None:
    folder = str(write_folder(tmp_path / "in", "webdataset", count=40))
    held: dict[float, set[str]] = {}
    for share in (0.0, 0.3, 0.7, 1.0):
        out = tmp_path / f"out-{share}"
        recipe = load_recipe("align", (f"split.val={share}",))
        run(tmp_path, recipe, from_img2dataset=(folder,), out=str(out))
        rows = samples(out)
        assert {row.split for row in rows} <= {"train", "val"}
        held[share] = {row.sha256 or "" for row in rows if row.split == "val"}
        assert held[share] == {row.sha256 for row in rows if place_of(row.sha256 or "") < share}
    assert (len(held[0.0]), len(held[1.0])) == (0, 32)
    assert held[0.3] < held[0.7]


def place_of(root: str) -> float:
    """Return the hash of a near-duplicate root as a number in [0, 1)."""
    return int.from_bytes(hashlib.blake2b(root.encode(), digest_size=4).digest(), "big") / 2**32


# --- nothing is lost between select and shards ---


def lose_first(rows: Iterator[Any]) -> Iterator[Any]:
    """Leave the first record out."""
    next(rows, None)
    yield from rows


def repeat_last(rows: Iterator[Any]) -> Iterator[Any]:
    """Yield all records, and the last one again under another key."""
    held = list(rows)
    yield from held
    if held:
        record, frequent = held[-1]
        yield replace(record, key="f" * 32), frequent


@pytest.mark.parametrize(
    ("change", "taken"), [(lose_first, 7), (repeat_last, 9)], ids=["a record is lost", "a record is new"]
)
def test_shards_that_take_in_other_records_than_select_kept_fail_the_build(
    change: Callable[[Iterator[Any]], Iterator[Any]], taken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = shards.selected
    monkeypatch.setattr(shards, "selected", lambda *args: change(whole(*args)))
    folder = str(write_folder(tmp_path / "in", "webdataset"))
    with pytest.raises(ConservationError, match=rf"select kept 8 of unit pair, stage shards took in {taken}"):
        run(tmp_path, load_recipe("align"), from_img2dataset=(folder,), shards=1)
    assert not (tmp_path / "out" / "manifest.json").exists()


# --- take-downs of img2dataset's images on a store that never had them ---

URL = "http://example.org/2.png"
TAKE_DOWNS = {
    "url": make_tombstones(urls=(URL,)),
    "pair": make_tombstones(keys=(identity.pair_key(URL, text_of(2)),)),
    "sha256": make_tombstones(sha256=(hashlib.sha256(png(2, SIDE)).hexdigest(),)),
    "domain": make_tombstones(domains=("example.org",)),
}


@pytest.mark.parametrize("name", TAKE_DOWNS)
def test_an_image_that_was_taken_down_is_neither_published_nor_stored(name: str, tmp_path: Path) -> None:
    stones: Tombstones = TAKE_DOWNS[name]
    folder = str(write_folder(tmp_path / "in", "webdataset"))
    tombstones.write(str(tmp_path / "store"), stones)
    manifest = run(tmp_path, load_recipe("align"), from_img2dataset=(folder,))
    gone = set(range(10)) if name == "domain" else {2}
    files = [path for place in ("out", "store", "work") for path in (tmp_path / place).rglob("*") if path.is_file()]
    for number in gone:
        assert not [path for path in files if png(number, SIDE) in path.read_bytes()]
    assert {row.url for row in samples(tmp_path / "out")} == {
        f"http://example.org/{number}.png" for number in set(range(10)) - gone - {4, 9}
    }
    select, written = (
        next(row for row in manifest.counts if (row.stage, row.unit) == (stage, "pair"))
        for stage in ("select", "shards")
    )
    assert select.kept == written.records_in == 8
    assert written.rejected == {"forgotten": len(gone - {4, 9})}
    rows = [row for row in ledger(tmp_path / "out", "shards") if row.reason == "forgotten"]
    assert len(rows) == len(gone - {4, 9})
    if name != "sha256":
        assert all(row.url is None for row in rows)
