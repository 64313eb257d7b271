"""If only a filter changed, stored records are measured again without reading a WARC, with the same bytes."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from corpusloom.pipelines.builds.plan import Planner
from corpusloom.pipelines.filters import gopher_quality
from corpusloom.pipelines.recipes.recipe import Recipe, load_recipe
from corpusloom.pipelines.stages.extract import extract
from corpusloom.pipelines.stages.extract.input_fragments import InputFile
from corpusloom.pipelines.stages.extract.remeasure import Remeasure
from corpusloom.pipelines.stages.kinds.registry import kind_of
from corpusloom.pipelines.store import tombstones
from corpusloom.pipelines.store.tombstones import Tombstones
from corpusloom.schemas import identity, storage, tables
from corpusloom.schemas.records import Head, Page
from tests.pipelines.small_web import SmallWeb, small_web


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallWeb]:
    """Return the small web, scraped, with m3w and align built."""
    with small_web(tmp_path_factory.mktemp("web")) as made:
        made.scrape()
        made.build("m3w", "m3w")
        made.build("align", "align")
        yield made


def no_warc(*_: object) -> object:
    raise AssertionError("a WARC was read")


CHANGES = {
    "languages": ("m3w", ['filters.language.languages=["de", "en"]']),
    "lines of C4": ("m3w", ["filters.c4.min_line_words=3"]),
    "bands": ("m3w", ["dedup.minhash.bands=7"]),
    "no bands": ("m3w", ["dedup.minhash=off"]),
    "paragraphs": ("m3w", ["dedup.max_domain_paragraph=1"]),
    "text keys": ("m3w", ["dedup.exact_text=loose", "dedup.scope=crawl"]),
    "languages of pairs": ("align", ['filters.language.languages=["de"]']),
}


@pytest.mark.parametrize(("name", "changes"), CHANGES.values(), ids=CHANGES)
def test_records_measured_again_give_the_bytes_of_a_build_from_warcs(
    web: SmallWeb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, changes: list[str]
) -> None:
    recipe = load_recipe(name, changes)
    fresh = web.build(recipe, "fresh", out=str(tmp_path / "fresh"), work=str(tmp_path / "work")).manifest
    monkeypatch.setattr(extract, "open_warc", no_warc)
    again = web.build(recipe, "again", out=str(tmp_path / "again")).manifest
    assert fresh is not None
    assert again is not None
    assert again.digest == fresh.digest


def test_pages_alone_are_enough(web: SmallWeb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract, "open_warc", no_warc)
    recipe = load_recipe("m3w", ['filters.language.languages=["fr"]'])
    report = web.build(recipe, "french", out=str(tmp_path / "out"), warcs=(), from_pages=True)
    assert report.manifest is not None
    select = next(row for row in report.manifest.counts if (row.stage, row.unit) == ("select", "page"))
    assert select.rejected["language"] > 1
    assert "extract" not in report.reused


def test_a_filter_of_another_version_measures_stored_pages_again(
    web: SmallWeb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(page: object, config: object = None) -> dict[str, float]:
        return {"words": 1.0}

    config = web.config("m3w", "x")
    before = Planner(config).warc_folder.folder
    monkeypatch.setattr(gopher_quality, "VERSION", gopher_quality.VERSION + 1)
    monkeypatch.setattr(gopher_quality, "measure", measure)
    monkeypatch.setattr(extract, "open_warc", no_warc)
    planner = Planner(config)
    assert planner.warc_folder.folder != before
    assert before in planner.earlier_folders()
    report = web.build("m3w", "changed", out=str(tmp_path / "out"), warcs=(), from_pages=True)
    assert report.manifest is not None
    assert report.manifest.samples == 0


def pieces(web: SmallWeb, folder: Path, recipe: Recipe, stones: Tombstones) -> tuple[Remeasure, InputFile, str]:
    """Return the function that measures the largest input again, that input, and the folder of its records."""
    planner = Planner(web.config("m3w", "x"))
    source = str(folder / "earlier")
    shutil.copytree(planner.warc_folder.folder, source)
    _, inputs = planner.planned_pages()
    entry = max(inputs, key=lambda entry: entry.bytes)
    again = Remeasure(
        folder=str(folder / "again"), earlier=(source,), kind=kind_of(recipe), recipe=recipe, tombstones=stones
    )
    return again, InputFile(path=entry.name, sha256=entry.sha256), source


def rows(folder: str, kind: str, cls: type) -> list[object]:
    names = storage.listing(storage.join(folder, kind))
    return [row for name in names for row in tables.read_records(storage.join(folder, kind, name), cls)]


def test_what_was_taken_down_since_is_not_written(web: SmallWeb, tmp_path: Path) -> None:
    recipe = load_recipe("m3w", ['filters.language.languages=["de"]'])
    _, item, source = pieces(web, tmp_path / "1", recipe, Tombstones())
    page = next(row for row in rows(source, "records", Page) if isinstance(row, Page))
    stones = Tombstones(keys=frozenset({identity.page_key(page.url)}))
    again, item, _ = pieces(web, tmp_path / "2", recipe, stones)
    inputs = [again(replace(item, sha256=entry.sha256)) for entry in Planner(web.config("m3w", "x")).planned_pages()[1]]
    assert all(inputs)
    left = {row.key for row in rows(again.folder, "records", Page)}  # type: ignore[attr-defined]
    heads = {row.key: row for row in rows(again.folder, "candidates", Head)}  # type: ignore[attr-defined]
    assert page.key not in left
    assert heads[page.key].url == ""  # type: ignore[attr-defined]


def test_a_record_that_is_gone_is_read_from_its_input_while_that_is_there(web: SmallWeb, tmp_path: Path) -> None:
    recipe = load_recipe("m3w", ['filters.language.languages=["de"]'])
    again, item, source = pieces(web, tmp_path, recipe, Tombstones())
    for name in storage.listing(storage.join(source, "records")):
        path = storage.join(source, "records", name)
        tables.write_records(path, Page, [], sort_by=("key",))
    assert again(item) is None
    gone = again(replace(item, path=str(tmp_path / "gone.warc.gz")))
    assert gone is not None
    assert len(rows(again.folder, "candidates", Head)) == sum(row.kept for row in gone if row.unit == "page")


def test_an_input_that_no_earlier_folder_has_is_read(web: SmallWeb, tmp_path: Path) -> None:
    again, item, _ = pieces(web, tmp_path, load_recipe("m3w"), Tombstones())
    assert again(replace(item, sha256="0" * 64)) is None
    assert replace(again, earlier=())(item) is None
    assert tombstones.read(str(tmp_path)) == Tombstones()
