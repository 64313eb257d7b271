"""Whole builds on a small web: every record is accounted for, stages are reused, damage and bad input are reported."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup
from numpy.typing import NDArray

from corpusloom.pipelines.builds import build
from corpusloom.pipelines.cli import main
from corpusloom.pipelines.datasets.damage import DamageKind
from corpusloom.pipelines.datasets.verify import verify
from corpusloom.pipelines.datasets.why import why
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.pipelines.stages.extract import extract as warcs
from corpusloom.pipelines.store.dataset.folder import BusyError
from corpusloom.schemas import layout, storage, tables
from corpusloom.schemas.errors import ConfigError, InputError, LoomError
from corpusloom.schemas.manifest import read_manifest
from corpusloom.schemas.records import LedgerRow, ProvenanceRow, SidecarRow
from tests.pipelines.small_web import QUIET, SmallWeb, small_web


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallWeb]:
    """Return the small web, scraped, with m3w and align built."""
    with small_web(tmp_path_factory.mktemp("web")) as made:
        made.scrape()
        made.build("m3w", "m3w")
        made.build("align", "align")
        yield made


def reasons(web: SmallWeb, dataset: str, stage: str) -> dict[str, str]:
    """Return URL path -> reason of a stage's ledger."""
    rows = tables.read_records(str(web.folder / dataset / "ledger" / f"{stage}.parquet"), LedgerRow)
    return {"/" + (row.url or "").split("/", 3)[-1]: row.reason for row in rows}


def test_every_stage_and_unit_adds_up(web: SmallWeb) -> None:
    for name in ("m3w", "align"):
        for row in read_manifest(str(web.folder / name)).counts:
            assert row.unaccounted == 0
            assert row.records_in > 0
    assert list(verify(str(web.folder / "m3w"), "deep")) == []
    assert list(verify(str(web.folder / "align"), "deep")) == []


def test_good_pages_become_samples_and_the_rest_has_its_reason(web: SmallWeb) -> None:
    manifest = read_manifest(str(web.folder / "m3w"))
    good = sum(page.kind == "good" for page in web.server.world.pages if not page.host.startswith(("attic", "exam")))
    rows = [
        row
        for shard in manifest.shards
        for row in tables.read_records(str(web.folder / "m3w" / shard.sidecar.name), SidecarRow)
    ]
    assert sum("/000/" in row.url for row in rows) == good
    extract = reasons(web, "m3w", "extract")
    assert extract["/noai.html"] == "opt_out_noai"
    assert extract["/tdm.html"] == "opt_out_tdm_reservation"
    assert extract["/empty.html"] == "empty_page"
    assert extract["/missing.html"] == "http_404"
    select = reasons(web, "m3w", "select")
    assert select["/de.html"] == select["/sjis.html"] == "language"
    assert select["/about.html"] == "no_image"
    assert "duplicate_text" in select.values()
    occurrences = reasons(web, "m3w", "shards")
    assert occurrences["/odd/bomb.png"] == "too_many_pixels"
    assert occurrences["/odd/tiny.png"] == "image_too_small"
    assert occurrences["/odd/flat.png"] == "single_colour"
    assert occurrences["/odd/text.jpg"] == "not_an_image"
    assert occurrences["/odd/gone.jpg"] == "http_404"
    assert occurrences["/extra/9410000.jpg"] == "opt_out_noai"
    assert occurrences["/odd/cut.jpg"] == "truncated"


def test_texts_shared_by_many_images_are_dropped(web: SmallWeb) -> None:
    assert "text_of_many_images" in reasons(web, "align", "select").values()


def long_texts(web: SmallWeb, hosts: set[str]) -> set[tuple[str, str]]:
    """Return (path of an image, text) of alt texts, titles and captions of figures with at least 10 words.

    Sizes of an image differ in the query of its URL alone.
    """
    found = set()
    for page in web.server.world.pages:
        if page.host in hosts and page.kind == "good":
            soup = BeautifulSoup(web.server.world.resources[page.host, page.path].body, "html.parser")
            for img in soup.find_all("img"):
                figure = img.find_parent("figure")
                texts = (img.get("alt"), img.get("title"), figure and figure.figcaption.get_text())
                found |= {(img["src"].split("?")[0], text) for text in texts if text and len(text.split()) >= 10}
    return found


def test_ltip_keeps_the_long_texts_of_listed_sites(web: SmallWeb) -> None:
    hosts = {"gallery.localhost", "journal.localhost"}
    domains = json.dumps(sorted(hosts))
    report = web.build(load_recipe("ltip", [f"filters.sites.domains={domains}"]), "ltip")
    expected = long_texts(web, hosts)
    assert len(expected) >= 4
    assert report.manifest is not None
    assert {("/" + row.url.split("/", 3)[-1], row.caption) for row in sidecar_rows(web, "ltip")} == expected
    (select,) = (row for row in report.manifest.counts if row.stage == "select")
    assert select.rejected.keys() == {"site_not_listed", "too_few_caption_words"}
    with pytest.raises(ConfigError, match="no list of sites"):
        web.build("ltip", "unlisted")


def test_the_forbidden_address_gets_no_connection(web: SmallWeb) -> None:
    assert web.canary.connections == 0


def test_images_stand_between_the_texts_that_describe_them(web: SmallWeb) -> None:
    manifest = read_manifest(str(web.folder / "m3w"))
    folder = str(web.folder / "m3w")
    for shard in manifest.shards:
        for row in tables.read_records(storage.join(folder, shard.sidecar.name), SidecarRow):
            member = next(m for m in row.members if m.field == "json")
            tar = storage.join(folder, shard.tar.name)
            body = json.loads(storage.read_bytes(tar, member.offset, member.offset + member.size))
            assert len(body["texts"]) == len(body["images"])
            assert all(
                (text is None) != (image is None) for text, image in zip(body["texts"], body["images"], strict=True)
            )
            assert [name for name in body["images"] if name] == [info["name"] for info in body["image_info"]]


def test_a_second_build_reuses_every_stage(web: SmallWeb) -> None:
    hits = web.server.counted().total()
    report = web.build("m3w", "m3w")
    assert set(report.reused) == {"extract", "select", "images", "shards"}
    assert web.server.counted().total() == hits


def test_workers_splits_and_order_of_inputs_do_not_change_the_digest(web: SmallWeb) -> None:
    first = read_manifest(str(web.folder / "m3w"))
    digest = first.digest
    two = web.build("m3w", "m3w-2", work=str(web.folder / "work-2"), workers=2)
    assert two.manifest is not None
    assert two.manifest.digest == digest
    assert [entry.name for entry in first.documents] == ["README.md", "croissant.json"]
    assert two.manifest.documents == first.documents
    whole = web.folder / "one.warc.gz"
    parts = sorted((web.folder / "crawl").glob("*.warc.gz"))
    whole.write_bytes(b"".join(part.read_bytes() for part in reversed(parts)))
    joined = web.build("m3w", "m3w-3", work=str(web.folder / "work-3"), warcs=(str(whole),))
    assert joined.manifest is not None
    assert joined.manifest.digest == digest


def test_another_number_of_shards_holds_the_same_samples(web: SmallWeb) -> None:
    four = web.build("align", "align-4", shards=4).manifest
    assert four is not None
    keys = {
        key: shard.index
        for shard in four.shards
        for key in tables.read_table(str(web.folder / "align-4" / shard.sidecar.name), ["key"])["key"].to_pylist()
    }
    assert len(keys) == read_manifest(str(web.folder / "align")).samples
    assert all(layout.shard_of(key, 4) == index for key, index in keys.items())
    assert list(verify(str(web.folder / "align-4"))) == []


def test_a_changed_threshold_is_decided_again_without_extracting(web: SmallWeb) -> None:
    from corpusloom.pipelines.recipes.recipe import load_recipe

    recipe = load_recipe("m3w", ("filters.quality.min_words=100000",))
    report = web.build(recipe, "m3w-strict")
    assert report.manifest is not None
    assert report.manifest.samples == 0
    assert "extract" in report.reused
    assert "select" not in report.reused


def test_pages_are_decided_again_without_their_warcs(web: SmallWeb, tmp_path: Path) -> None:
    from corpusloom.pipelines.recipes.recipe import load_recipe

    overrides = ("filters.quality.min_words=60", "split.val=0.5")
    again = web.build(load_recipe("m3w", overrides), "m3w-again", warcs=(), from_pages=True).manifest
    whole = web.build(load_recipe("m3w", overrides), "m3w-whole", work=str(tmp_path / "work")).manifest
    assert again is not None
    assert whole is not None
    assert (again.digest, again.inputs) == (whole.digest, whole.inputs)
    splits = {row.split for row in sidecar_rows(web, "m3w-again")}
    assert splits == {"train", "val"}
    with pytest.raises(InputError, match="no finished pages"):
        web.build("m3w", "x", warcs=(), from_pages=True, work=str(tmp_path / "nothing"))
    with pytest.raises(ConfigError, match="give one of them"):
        web.build("m3w", "x", from_pages=True)


def test_the_stages_as_commands_make_the_same_dataset(
    web: SmallWeb, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = f"127.0.0.0/8:{web.server.port}"
    rest = ["--warc", str(web.folder / "crawl"), "--out", str(tmp_path / "out"), "--work", str(tmp_path / "work")]
    rest += ["--contact", "me@example.org", "--allow-addresses", address, "--delay", "0", "--workers", "0", "--quiet"]
    assert main.run(["pairs", "align", *rest, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["manifest"] is None
    assert {(row["stage"], row["unit"]) for row in made["counts"]} >= {("extract", "record"), ("select", "pair")}
    with pytest.raises(InputError, match="stage images is not finished: fetches"):
        main.run(["shards", "align", *rest])
    assert main.run(["images", "align", *rest]) == 0
    assert "reused: extract, select" in capsys.readouterr().out
    hits = web.server.counted().total()
    assert main.run(["shards", "align", *rest]) == 0
    assert web.server.counted().total() == hits
    assert read_manifest(str(tmp_path / "out")).digest == read_manifest(str(web.folder / "align")).digest


@pytest.mark.parametrize(
    ("command", "recipe", "right"), [("pages", "align", "loom pairs"), ("pairs", "m3w", "loom pages")]
)
def test_a_stage_that_a_recipe_does_not_have_names_the_one_it_has(command: str, recipe: str, right: str) -> None:
    with pytest.raises(ConfigError, match=f"use {right}"):
        main.run([command, recipe, "--warc", "x", "--out", "y"])


def test_two_builds_into_one_folder_are_kept_apart(web: SmallWeb, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    claim = {"fingerprint": "x", "host": __import__("socket").gethostname(), "pid": os.getppid()}
    storage.write_bytes(storage.join(out, ".building.json"), json.dumps(claim).encode())
    with pytest.raises(BusyError, match="is building into this folder"):
        build.build(web.config("m3w", "unused", out=out), QUIET)


def test_a_finished_dataset_is_never_overwritten_by_another(web: SmallWeb) -> None:
    with pytest.raises(ConfigError, match="a finished dataset of the recipe m3w, not align"):
        web.build("align", "m3w")


def test_why_lists_the_events_of_a_page_and_of_an_image(web: SmallWeb) -> None:
    port = web.server.port
    events = why(str(web.folder / "m3w"), f"http://attic.localhost:{port}/noai.html")
    assert [(event.stage, event.reason) for event in events] == [("scrape", None), ("extract", "opt_out_noai")]
    page = next(page for page in web.server.world.pages if page.kind == "good" and page.host.startswith("museum"))
    story = why(str(web.folder / "m3w"), f"http://{page.host}:{port}{page.path}")
    assert {"page", "image_occurrence", "sample"} <= {event.unit for event in story}
    with pytest.raises(InputError, match="no record of"):
        why(str(web.folder / "m3w"), "http://nowhere.example/")


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda folder: _flip(folder / "00000.tar", 700), DamageKind.WRONG_HASH),
        (lambda folder: (folder / "00000.parquet").unlink(), DamageKind.MISSING_FILE),
        (lambda folder: _cut(folder / "ledger" / "select.parquet"), DamageKind.WRONG_SIZE),
        (lambda folder: (folder / "99999.tar").write_bytes(b"x"), DamageKind.FOREIGN_FILE),
    ],
    ids=["flipped bit", "lost sidecar", "cut ledger", "foreign tar"],
)
def test_verify_finds_damage(web: SmallWeb, tmp_path: Path, damage: object, found: DamageKind) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(web.folder / "align", copy)
    damage(copy)  # type: ignore[operator]
    assert found in {item.kind for item in verify(str(copy))}


def test_a_damaged_shard_is_named_and_written_anew_alone(web: SmallWeb, capsys: pytest.CaptureFixture[str]) -> None:
    from corpusloom.pipelines.cli import main

    web.build("align", "align-16", shards=16)
    folder = web.folder / "align-16"
    digest = read_manifest(str(folder)).digest
    shard = read_manifest(str(folder)).shards[1]
    times = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.tar")}
    _flip(folder / shard.tar.name, 700)
    assert main.run(["verify", str(folder)]) == 1
    said = capsys.readouterr().err
    assert f"loom verify {folder} --repair writes shard {shard.tar.name[:5]} alone again" in said
    assert main.run(["verify", str(folder), "--repair"]) == 0
    assert read_manifest(str(folder)).digest == digest
    changed = {path.name for path in folder.glob("*.tar") if path.stat().st_mtime_ns != times[path.name]}
    assert changed == {shard.tar.name}


def _flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def test_records_before_the_cut_of_a_truncated_warc_are_kept(web: SmallWeb, tmp_path: Path) -> None:
    whole = max((web.folder / "crawl").glob("*.warc.gz"), key=lambda path: path.stat().st_size).read_bytes()
    cut = tmp_path / "cut.warc.gz"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    report = web.build("m3w", "cut", work=str(tmp_path / "work"), out=str(tmp_path / "out"), warcs=(str(cut),))
    assert report.manifest is not None
    extract = next(row for row in report.manifest.counts if (row.stage, row.unit) == (warcs.STAGE, "record"))
    assert extract.dead == {"truncated_warc": 1}
    assert extract.kept > 0


def test_missing_inputs_are_clear_errors(web: SmallWeb, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        web.build("m3w", "x", warcs=(str(tmp_path / "nothing*.warc"),))
    with pytest.raises(ConfigError, match="no input"):
        web.build("m3w", "x", warcs=())
    (tmp_path / "readme.txt").write_text("no warc")
    with pytest.raises(InputError, match="holds no WARC"):
        web.build("m3w", "x", warcs=(str(tmp_path),))
    with pytest.raises(LoomError):
        read_manifest(str(tmp_path))


def test_a_fetch_without_a_contact_is_refused(web: SmallWeb, tmp_path: Path) -> None:
    from dataclasses import replace

    with pytest.raises(ConfigError, match="--contact"):
        web.build("m3w", "x", store=str(tmp_path / "store"), fetch=replace(web.fetch, contact=None))


@pytest.mark.parametrize("kind", ["image", "text"])
def test_items_of_evaluation_sets_are_left_out(web: SmallWeb, tmp_path: Path, kind: str) -> None:
    from corpusloom.pipelines.recipes.recipe import load_recipe

    row = min(sidecar_rows(web, "m3w"), key=lambda row: row.key)
    member = next(m for m in row.members if m.sha256 is not None)
    text = longest_text(web.folder / "m3w", row)
    item = {"benchmark": "Exam", "item": "1", **({"text": text} if kind == "text" else {"sha256": member.sha256})}
    (tmp_path / "set.jsonl").write_text(json.dumps(item))
    overrides = (f'dedup.decontaminate=["{tmp_path}/set.jsonl"]', "dedup.max_domain_paragraph=2")
    report = web.build(load_recipe("m3w", overrides), "m3w-clean", out=str(tmp_path / "out"))
    assert report.manifest is not None
    rows = [
        row
        for shard in report.manifest.shards
        for row in tables.read_records(str(tmp_path / "out" / shard.sidecar.name), SidecarRow)
    ]
    if kind == "text":
        assert all(longest_text(tmp_path / "out", other) != text for other in rows)
        provenance = tables.read_records(str(tmp_path / "out" / "provenance" / "shards.parquet"), ProvenanceRow)
        assert any((found.message or "").startswith("Exam 1: ngram") for found in provenance)
    else:
        assert all(m.sha256 != member.sha256 for other in rows for m in other.members)
        assert any("benchmark_exam" in row.rejected for row in report.manifest.counts)
    assert list(verify(str(tmp_path / "out"), "deep")) == []


def test_a_plugged_in_scorer_drops_images_and_their_pages(
    web: SmallWeb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from corpusloom.pipelines.models import scorer_registry
    from corpusloom.pipelines.models.identity import ModelIdentity
    from corpusloom.pipelines.recipes.recipe import load_recipe

    calls = []

    class Brightness:
        identity = ModelIdentity("brightness", "1", "0" * 64)

        def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
            calls.append(1)
            return (pixels.mean((1, 2, 3)) / 255).astype(np.float32)

    monkeypatch.setitem(scorer_registry.SCORERS, "brightness", Brightness)
    overrides = ("filters.images.nsfw_model=brightness", "filters.images.max_nsfw=0.5", "images.drop_page_on_nsfw=true")
    first = web.build(load_recipe("m3w", overrides), "bright", out=str(tmp_path / "1")).manifest
    assert first is not None
    rejected = {(row.unit, reason) for row in first.counts for reason in row.rejected}
    assert {("image_occurrence", "nsfw"), ("page", "nsfw_image")} <= rejected
    scored = len(calls)
    web.build(load_recipe("m3w", (*overrides, "filters.images.max_nsfw=0.9")), "brighter", out=str(tmp_path / "2"))
    assert len(calls) == scored  # another threshold asks the model nothing


def sidecar_rows(web: SmallWeb, dataset: str) -> list[SidecarRow]:
    folder = web.folder / dataset
    shards = read_manifest(str(folder)).shards
    return [row for shard in shards for row in tables.read_records(str(folder / shard.sidecar.name), SidecarRow)]


def longest_text(dataset: Path, row: SidecarRow) -> str:
    place = next(m for m in row.members if m.field == "json")
    tar = str(dataset / f"{layout.shard_stem(layout.shard_of(row.key, 1))}.tar")
    body = json.loads(storage.read_bytes(tar, place.offset, place.offset + place.size))
    return max((text for text in body["texts"] if text), key=len)
