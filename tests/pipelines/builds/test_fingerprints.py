"""A second build in a work folder gives the bytes of a build in an empty one, whatever setting was changed.

A setting that shapes a stage but is missing in its fingerprint would make the second build reuse the first one's files.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from corpusloom.pipelines.builds.plan import Planner
from corpusloom.pipelines.datasets.forget import make_tombstones
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.pipelines.store import tombstones
from corpusloom.pipelines.store.warc.writing import WarcWriter
from corpusloom.schemas.manifest import Manifest
from corpusloom.schemas.records import FileEntry
from tests.pipelines.builds.test_promises import config, run
from tests.pipelines.stages.extract.test_list_pairs import SIDE, text_of, write_folder
from tests.pipelines.store.store_maker import DATE, png

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
URL = "http://example.org/{}"


def body_of(page: int) -> bytes:
    """Return a page that shows three images, each with a text of its own."""
    numbers = range(page * 3, page * 3 + 3)
    return "".join(f'<p>text</p><img src="/{n}.png" alt="{text_of(n)}">' for n in numbers).encode()


def write_warcs(folder: Path) -> tuple[str, str]:
    """Write two WARCs.

    The first holds page 0, page 1 with a payload that is not what its digest says, a page with German alt texts, and
    the images of all pages. The second holds page 2 and a revisit of it; the first a revisit of page 2 as well.
    """
    first, second = folder / "a.warc", folder / "b.warc"
    german = "".join(
        f'<p>text</p><img src="/{n}.png" alt="das ist ein altes Haus am Fluss mit der Nummer {n} und einem Garten">'
        for n in range(9, 12)
    ).encode()
    with first.open("wb") as handle:
        writer = WarcWriter(handle, compress=False)
        for name, body in (("page-0", body_of(0)), ("page-1", body_of(1)), ("german", german)):
            exchange(writer, name, HEAD, body)
        for number in range(12):
            exchange(writer, f"{number}.png", HEAD.replace(b"text/html", b"image/png"), png(number, SIDE))
        revisit(writer, "again")
    first.write_bytes(first.read_bytes().replace(b'<img src="/3.png"', b'<img src="/5.png"'))
    with second.open("wb") as handle:
        exchange(WarcWriter(handle, compress=False), "page-2", HEAD, body_of(2))
    return str(first), str(second)


def exchange(writer: WarcWriter, name: str, head: bytes, body: bytes) -> None:
    """Write a request and its response."""
    writer.exchange(URL.format(name), b"GET / HTTP/1.1\r\n\r\n", head, body, date=DATE, address=None, truncated=None)


def revisit(writer: WarcWriter, name: str) -> None:
    """Write a revisit record: a URL whose content is still that of page 2."""
    headers = {
        "WARC-Target-URI": URL.format(name),
        "WARC-Refers-To-Target-URI": URL.format("page-2"),
        "WARC-Refers-To-Date": DATE,
        "WARC-Date": DATE,
        "Content-Type": "application/http; msgtype=response",
    }
    writer.write("revisit", headers, HEAD)


@dataclass(frozen=True)
class Change:
    """A difference of the second build: fields of its configuration, a recipe's key, or tombstones of the store."""

    stages: tuple[str, ...]
    """The stages that it shapes, besides those that follow from them."""
    fields: dict[str, Any] | None = None
    override: str = ""
    url: str = ""


CHANGES = {
    "verify_digests": Change(("extract",), fields={"verify_digests": True}),
    "resolve_revisits": Change(("extract",), fields={"resolve_revisits": True}),
    "shards": Change(("shards",), fields={"shards": 2}),
    "languages": Change(("extract",), override='filters.language.languages=["de"]'),
    "tombstones": Change(("shards",), url=URL.format("1.png")),
}


def changed(change: Change | None, folder: Path) -> dict[str, Any]:
    """Return the changed part of a build's configuration; write its tombstones into the store of `folder`."""
    stones = make_tombstones(urls=(change.url,)) if change is not None and change.url else tombstones.Tombstones()
    tombstones.write(str(folder / "store"), stones)
    overrides = ["filters.language.min_score=0.5"] + (
        [change.override] if change is not None and change.override else []
    )
    fields = (change.fields or {}) if change is not None else {}
    return {"recipe": load_recipe("align", overrides), **fields}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_setting_is_not_lost_in_a_stage_that_was_finished_before(name: str, tmp_path: Path) -> None:
    warcs = write_warcs(tmp_path)

    def built(change: Change | None, out: str, folder: Path) -> Manifest:
        values = changed(change, folder)
        return run(folder, **values, warcs=warcs, out=str(folder / out))

    before = built(None, "before", tmp_path)
    after = built(CHANGES[name], "after", tmp_path)
    fresh = built(CHANGES[name], "after", tmp_path / "fresh")
    assert before.digest != after.digest
    assert (after.counts, after.samples) == (fresh.counts, fresh.samples)
    assert [entry.tar.sha256 for entry in after.shards] == [entry.tar.sha256 for entry in fresh.shards]
    assert after.digest == fresh.digest
    if not CHANGES[name].url:  # what was taken down is gone from the work folder for good
        assert built(None, "again", tmp_path).digest == before.digest


@pytest.mark.parametrize("name", CHANGES)
def test_a_setting_is_in_the_fingerprints_of_the_stages_that_it_shapes(name: str, tmp_path: Path) -> None:
    change = CHANGES[name]
    inputs = [FileEntry(name="a.warc", sha256="0" * 64, bytes=1), FileEntry(name="b.warc", sha256="1" * 64, bytes=1)]

    def prints(change: Change | None) -> dict[str, str]:
        values = changed(change, tmp_path)
        planner = Planner(config(tmp_path, **values))
        extract = planner.plan_extract(inputs)
        select = planner.plan_select(extract)
        shards = planner.plan_shards(select, [], planner.config.shards or 4)
        stages = (extract, select, shards)
        return {stage.name: stage.fingerprint for stage in stages} | {"folder": planner.warc_folder.fingerprint}

    before, after = prints(None), prints(change)
    first = change.stages[0]
    expected = ("extract", "folder", "select", "shards") if first == "extract" else (first,)
    assert {stage for stage in before if before[stage] != after[stage]} == set(expected)


def test_a_limit_reads_fewer_rows_and_is_no_reason_to_read_fewer_later(tmp_path: Path) -> None:
    folder = str(write_folder(tmp_path / "in", "webdataset", count=40))
    limits = {"few": 3, "all": None}
    found = {
        name: run(tmp_path, load_recipe("align"), from_img2dataset=(folder,), limit=limit, out=str(tmp_path / name))
        for name, limit in limits.items()
    }
    assert 0 < found["few"].samples < found["all"].samples == 32


def test_revisits_across_warcs_make_each_input_depend_on_all(tmp_path: Path) -> None:
    entries = [FileEntry(name=name, sha256=hashlib.sha256(name.encode()).hexdigest(), bytes=1) for name in "abc"]

    def hashes(count: int, resolve: bool) -> list[str]:
        planner = Planner(config(tmp_path, load_recipe("align"), resolve_revisits=resolve))
        return planner.unit_hashes(entries[:count])

    assert hashes(3, False) == [entry.sha256 for entry in entries]
    assert hashes(2, False) == hashes(3, False)[:2]
    assert not set(hashes(2, True)) & set(hashes(3, True))
    assert len(set(hashes(3, True))) == 3
    assert not set(hashes(3, True)) & set(hashes(3, False))


def test_a_revisit_is_resolved_once_its_original_is_among_the_inputs(tmp_path: Path) -> None:
    first, second = write_warcs(tmp_path)
    values = changed(CHANGES["resolve_revisits"], tmp_path)
    alone = run(tmp_path, **values, warcs=(first,), out=str(tmp_path / "alone"))
    both = run(tmp_path, **values, warcs=(first, second), out=str(tmp_path / "both"))
    assert [unresolved(alone), unresolved(both)] == [1, 0]


def unresolved(manifest: Manifest) -> int:
    """Return the number of revisit records whose original was not found."""
    return next(row.rejected.get("revisit_unresolved", 0) for row in manifest.counts if row.unit == "record")
