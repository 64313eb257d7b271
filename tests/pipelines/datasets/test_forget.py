"""Forgotten records are gone from every file and later build; the result equals a build that never had them."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpusloom.pipelines.builds.derived import regions
from corpusloom.pipelines.cli import main
from corpusloom.pipelines.datasets.forget import concerned, forget, make_tombstones, read_config
from corpusloom.pipelines.datasets.takedown import NOTHING_MATCHED
from corpusloom.pipelines.datasets.verify import verify
from corpusloom.pipelines.stages.regions.outputs import DetectorOutputs, commit_outputs
from corpusloom.pipelines.store import lineage, tombstones
from corpusloom.pipelines.store.tombstones import Tombstones
from corpusloom.schemas import identity, layout, tables
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.schemas.manifest import read_manifest
from corpusloom.schemas.records import DetectorOutput, Head, ImageRecord, LedgerRow, SidecarRow
from tests.pipelines.datasets.finished import change_manifest, finished_dataset
from tests.pipelines.small_web import QUIET, SmallWeb, small_web

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallWeb]:
    """Return the small web with m3w and align built, and a copy of its folder beside it."""
    with small_web(tmp_path_factory.mktemp("web")) as made:
        made.scrape()
        for name in ("m3w", "align"):
            made.build(name, name, shards=16)
        shutil.copytree(made.folder, made.folder.with_name("pristine"))
        yield made


@pytest.fixture
def web(built: SmallWeb) -> SmallWeb:
    """Restore the built web in its place, since a dataset's stages record their paths, and return it."""
    shutil.rmtree(built.folder)
    shutil.copytree(built.folder.with_name("pristine"), built.folder)
    return built


def rows_of(web: SmallWeb, name: str) -> list[SidecarRow]:
    """Return the samples of a dataset."""
    folder = web.folder / name
    shards = read_manifest(str(folder)).shards
    return [row for shard in shards for row in tables.read_records(str(folder / shard.sidecar.name), SidecarRow)]


def traces(folder: Path, text: str) -> list[str]:
    """Return the files below a folder that hold a text, tables decoded."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if path.suffix == ".parquet":
            held = text in repr(tables.read_table(str(path)).to_pylist())
        else:
            held = text.encode() in path.read_bytes()
        if held:
            found.append(str(path.relative_to(folder)))
    return found


def an_image(web: SmallWeb) -> ImageRecord:
    """Return an image that a sample of m3w shows."""
    shas = {row.sha256 for row in rows_of(web, "m3w")}
    parts = sorted((web.folder / "store" / "index").rglob("*.parquet"))
    records = [record for part in parts for record in tables.read_records(str(part), ImageRecord)]
    return next(record for record in records if record.sha256 in shas and record.pack)


def check_equal_to_a_build_with_the_tombstone(web: SmallWeb, recipe: str) -> None:
    """Compare a dataset with one built anew from WARCs, store and tombstones."""
    fresh = web.build(recipe, "fresh", work=str(web.folder / "fresh-work"), shards=16).manifest
    assert fresh is not None
    assert read_manifest(str(web.folder / recipe)).digest == fresh.digest
    assert list(verify(str(web.folder / recipe), "deep")) == []


@pytest.mark.parametrize("recipe", ["m3w", "align"])
def test_a_forgotten_page_leaves_the_bytes_of_a_build_with_its_tombstone(web: SmallWeb, recipe: str) -> None:
    before = read_manifest(str(web.folder / recipe))
    url = rows_of(web, recipe)[0].url
    done = forget(str(web.folder / recipe), make_tombstones(urls=(url,)), QUIET)
    after = read_manifest(str(web.folder / recipe))
    assert done.digest == after.digest != before.digest
    assert after.samples < before.samples
    same = {shard.index: shard.tar.sha256 for shard in before.shards if shard.index not in done.shards}
    assert same
    assert same == {shard.index: shard.tar.sha256 for shard in after.shards if shard.index in same}
    check_equal_to_a_build_with_the_tombstone(web, recipe)
    own = web.folder / recipe
    assert traces(own, f"{url}'") + traces(own, f'{url}"') == []
    assert traces(web.folder / "work" / "stages", f"'{url}'") == []
    assert url not in (web.folder / "store" / "tombstones.json").read_text()


def test_a_forgotten_image_leaves_store_packs_and_pages(web: SmallWeb) -> None:
    image = an_image(web)
    body = _bytes_of(web, image)
    done = forget(str(web.folder / "m3w"), make_tombstones(sha256=(image.sha256 or "",)), QUIET)
    assert done.shards
    check_equal_to_a_build_with_the_tombstone(web, "m3w")
    for folder in ("m3w", "store", "work/stages"):
        assert traces(web.folder / folder, image.url) == []
    assert not any(body in path.read_bytes() for path in (web.folder / "store" / "packs").iterdir())
    assert not any(body in path.read_bytes() for path in (web.folder / "m3w").glob("*.tar"))
    rows = tables.read_records(str(web.folder / "m3w" / "ledger" / "shards.parquet"), LedgerRow)
    assert any(row.reason == "forgotten" and row.url is None for row in rows)


def _bytes_of(web: SmallWeb, image: ImageRecord) -> bytes:
    from corpusloom.pipelines.store.images.store import ImageStore

    return ImageStore(str(web.folder / "store")).read(image)


def test_a_forgotten_domain_is_gone_from_the_warcs_too(web: SmallWeb) -> None:
    url = next(row.url for row in rows_of(web, "m3w"))
    host = identity.host_of(url)
    digest = forget(str(web.folder / "m3w"), make_tombstones(domains=(host,)), QUIET).digest
    check_equal_to_a_build_with_the_tombstone(web, "m3w")
    done = forget(str(web.folder / "m3w"), make_tombstones(domains=(host,)), QUIET, warc=True)
    assert len(done.warcs) == 1
    assert done.digest == digest
    assert all(identity.host_of(row.url) != host for row in rows_of(web, "m3w"))
    assert list(verify(str(web.folder / "m3w"))) == []


def test_a_duplicate_is_not_promoted(web: SmallWeb) -> None:
    rows = tables.read_records(str(web.folder / "m3w" / "ledger" / "select.parquet"), LedgerRow)
    losers = [row.key for row in rows if row.reason == "duplicate_text"]
    assert losers
    forget(str(web.folder / "m3w"), make_tombstones(urls=tuple(row.url for row in rows_of(web, "m3w"))), QUIET)
    assert read_manifest(str(web.folder / "m3w")).samples == 0


def test_what_was_made_from_a_dataset_is_purged_as_well(web: SmallWeb, capsys: pytest.CaptureFixture[str]) -> None:
    pairs, made, work = (str(web.folder / name) for name in ("align", "regions", "regions.work"))
    store = str(web.folder / "regions.store")
    regions.build_dataset(pairs, made, work, QUIET, store=store, limit=1)
    report, gone = web.folder / "elsewhere.html", web.folder / "gone"
    assert main.run(["stats", pairs, "--html", str(report), "--quiet"]) == 0
    lineage.record(pairs, lineage.Derived(kind="regions", path=str(gone), work=str(gone)))
    gone.write_text("a file where a folder was")
    row, before = rows_of(web, "regions")[0], read_manifest(made)
    times = {path.name: path.stat().st_mtime_ns for path in (web.folder / "regions").glob("*.tar")}
    with pytest.raises(ConfigError, match=f"loom forget {pairs}"):
        forget(made, make_tombstones(keys=(row.key,)), QUIET)
    capsys.readouterr()
    assert main.run(["forget", pairs, "--key", row.key, "--quiet"]) == 0
    said = capsys.readouterr()
    assert f"purged: {made}\n" in said.out
    assert f"purged: {report}\n" in said.out
    assert f"out of reach: {gone};" in said.err
    assert not report.exists()
    assert row.key not in {row.key for row in rows_of(web, "regions")}
    assert traces(web.folder / "regions", row.url) + traces(web.folder / "regions.work", row.url) == []
    places = (pairs, str(web.folder / "fresh"), str(web.folder / "fresh.work"))
    fresh = regions.build_dataset(*places, QUIET, store=str(web.folder / "fresh.store"), limit=1)
    assert fresh.manifest is not None
    assert read_manifest(made).digest == fresh.manifest.digest != before.digest
    assert list(verify(made, "deep")) == []
    changed = {
        path.name for path in (web.folder / "regions").glob("*.tar") if path.stat().st_mtime_ns != times[path.name]
    }
    assert changed <= {f"{layout.shard_stem(layout.shard_of(row.key, before.shard_count))}.tar"}


def test_what_a_detector_found_in_a_forgotten_image_leaves_every_store(web: SmallWeb) -> None:
    dataset, image = str(web.folder / "align"), an_image(web)
    own, other = str(web.folder / "store"), str(web.folder / "regions.store")
    lineage.record(dataset, lineage.Derived(kind="regions", path=str(web.folder / "none"), work="", store=other))
    assert image.sha256 is not None
    rows = [
        DetectorOutput(sha256="a" * 64, image_sha256=image.sha256),
        DetectorOutput(sha256="b" * 64, image_sha256=""),
    ]
    for store in (own, other):
        commit_outputs(store, "d", rows)
    forget(dataset, make_tombstones(sha256=(image.sha256,)), QUIET)
    for store in (own, other):
        outputs = DetectorOutputs.read(store, "d")
        assert [row.sha256 in outputs for row in rows] == [False, True]


def test_the_command_reads_a_list_and_refuses_nothing(web: SmallWeb, capsys: pytest.CaptureFixture[str]) -> None:
    dataset, image = str(web.folder / "align"), an_image(web)
    listed = web.folder / "list.txt"
    listed.write_text(f"# asked for by mail\n{image.sha256}\n{rows_of(web, 'align')[0].key}\nexample.org\n")
    assert main.run(["forget", dataset, "--list", str(listed), "--json", "--quiet"]) == NOTHING_MATCHED  # example.org
    assert json.loads(capsys.readouterr().out)["done"]["digest"] == read_manifest(dataset).digest
    with pytest.raises(ConfigError, match="nothing to forget"):
        main.run(["forget", dataset])
    with pytest.raises(ConfigError, match="64 hex digits"):
        main.run(["forget", dataset, "--sha256", "abc"])


def test_tombstones_are_hashes_of_what_a_person_names() -> None:
    url, key, digest = "http://a.example/x", "0123456789abcdef" * 2, "0123456789abcdef" * 4
    stones = make_tombstones(urls=(url,), domains=("B.example",), sha256=(digest,), keys=(key,))
    assert stones.keys == {key, identity.page_key(url), identity.image_key(url)}
    assert stones.domains == {tombstones.domain_hash("b.example")}
    assert stones.sha256 == {digest}
    assert not make_tombstones()
    hosts = ("xn--mnchen-3ya.de", "sub.xn--mnchen-3ya.de", "a.example")
    stones = make_tombstones(domains=("München.de", "*.A.example."))
    assert all(stones.has_url(f"http://{host}/") for host in hosts)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"keys": ("0" * 31,)}, "--key: .* is not 32 hex digits"),
        ({"keys": ("0" * 33,)}, "--key: .* is not 32 hex digits"),
        ({"keys": ("g" * 32,)}, "--key: .* is not 32 hex digits"),
        ({"keys": ("A" * 32,)}, "--key: .* is not 32 hex digits"),
        ({"sha256": ("0" * 32,)}, "--sha256: .* is not 64 hex digits"),
        ({"urls": ("a.example/x",)}, "--url: .* is no URL .*or use --domain"),
        ({"domains": ("https://a.example",)}, "--domain: .* is no domain .*or use --url"),
        ({"domains": ("a.example/x",)}, "--domain: .* is no domain"),
        ({"domains": ("*.",)}, "--domain: .* is no domain"),
    ],
)
def test_what_is_no_key_hash_or_url_is_refused(named: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_tombstones(**named)


def test_an_index_of_foreign_tars_cannot_forget(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no manifest\.json"):
        read_config(str(tmp_path))
    dataset = finished_dataset(tmp_path)
    change_manifest(dataset, recipe=layout.FOREIGN)
    with pytest.raises(InputError, match=r"is an index of foreign tars.*take the records out where the tars are made"):
        read_config(dataset)


def test_a_dataset_that_does_not_say_how_it_was_built_cannot_forget(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"seconds": 1}))
    with pytest.raises(InputError, match=r"run\.json: does not record the build's configuration"):
        read_config(str(tmp_path))
    (tmp_path / "run.json").write_text(json.dumps({"source": "data/align"}))
    with pytest.raises(ConfigError, match=r"built from another dataset .*loom forget data/align"):
        read_config(str(tmp_path))


@pytest.mark.parametrize(
    ("row", "named"),
    [
        (Head(unit="page", key="k", parent="p", url="http://a.example/x"), True),
        (Head(unit="page", key="k", parent="p", url=""), False),  # already redacted, so it has no name
        (Head(unit="page", key="o", parent="p", url="http://b.example/x", images=("http://a.example/i.jpg",)), True),
        (Head(unit="page", key="o", parent="p", url="http://b.example/x", images=("http://c.example/i.jpg",)), False),
    ],
)
def test_a_head_is_concerned_by_itself_or_by_an_image(row: Head, named: bool) -> None:
    assert concerned(row, make_tombstones(domains=("a.example",)) | Tombstones(keys=frozenset("k"))) == named
