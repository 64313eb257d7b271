"""A take-down counts matches before it changes anything; what matches nothing changes nothing."""

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.pipelines.datasets.takedown import (
    NOTHING_MATCHED,
    MatchCounter,
    Request,
    TakeDown,
    marks_of,
    take_down,
    url_marks,
)
from corpusloom.pipelines.datasets.why import why
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.pipelines.store import tombstones
from corpusloom.pipelines.store.tombstones import Tombstones, is_taken_down
from corpusloom.schemas import identity
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.manifest import read_manifest
from corpusloom.schemas.records import Block, Head, ImageRecord, ImageRef, Page, Pair, SidecarRow
from tests.pipelines.small_web import QUIET
from tests.pipelines.stages.extract.test_list_pairs import SIDE, run, write_image_warc
from tests.pipelines.store.store_maker import png

URL = "http://sub.a.example/i.png"


@dataclasses.dataclass
class Built:
    """Two datasets of pairs on one image store and one work folder, built from a WARC of a page and three images."""

    folder: Path

    @property
    def dataset(self) -> str:
        return str(self.folder / "out")

    @property
    def sibling(self) -> str:
        return str(self.folder / "elsewhere" / "sibling")

    @property
    def shared(self) -> dict[str, object]:
        return {
            "work": str(self.folder / "work"),
            "store": str(self.folder / "store"),
            "warcs": (str(self.folder / "all.warc.gz"),),
        }

    def state(self) -> dict[str, str]:
        """Return the hash of every file."""
        files = (path for path in sorted(self.folder.rglob("*")) if path.is_file())
        return {str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Built:
    made = Built(tmp_path_factory.mktemp("takedown") / "web")
    made.folder.mkdir()
    write_image_warc(made.folder / "all.warc.gz")
    run(made.folder, "out", **made.shared)
    recipe = load_recipe("align", ("filters.images.min_side=100",))
    run(made.folder, "x", out=made.sibling, recipe=recipe, **made.shared)
    shutil.copytree(made.folder, made.folder.with_name("pristine"))
    return made


@pytest.fixture
def built(pristine: Built) -> Built:
    """Restore the folder, whose paths the datasets record."""
    shutil.rmtree(pristine.folder)
    shutil.copytree(pristine.folder.with_name("pristine"), pristine.folder)
    return pristine


def asked(built: Built, *requests: Request, **flags: bool) -> TakeDown:
    return take_down(built.dataset, requests, QUIET, **flags)


PAGE = Request("url", "http://example.org/page")
IMAGE = Request("url", "http://example.org/0.png")
HASH = Request("sha256", hashlib.sha256(png(1, SIDE)).hexdigest())
NOBODY = Request("url", "http://example.org/9.png")


@pytest.mark.parametrize(
    ("request_", "counts"),
    [
        (PAGE, (3, 3, 0)),
        (IMAGE, (1, 1, 1)),
        (HASH, (1, 1, 1)),
        (Request("domain", "example.org"), (3, 3, 3)),
        (NOBODY, (0, 0, 0)),
        (Request("domain", "example.com"), (0, 0, 0)),
    ],
)
def test_a_rehearsal_counts_and_changes_nothing(built: Built, request_: Request, counts: tuple[int, int, int]) -> None:
    before = built.state()
    made = asked(built, request_, dry_run=True)
    (match,) = made.matches
    assert (match.samples, match.records, match.images) == counts
    assert made.done is None
    assert bool(made.shards) == bool(counts[0])
    assert built.state() == before


def test_records_of_warcs_count_if_these_are_to_be_written_again(built: Built) -> None:
    assert [match.warc_records for match in asked(built, PAGE, IMAGE, NOBODY, dry_run=True, warc=True).matches] == [
        2, 2, 0,
    ]  # fmt: skip


def test_what_matches_nothing_changes_nothing_and_offers_what_is_near(
    built: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    report = built.folder / "report.html"
    assert main.run(["stats", built.dataset, "--html", str(report), "--quiet"]) == 0
    before = built.state()
    capsys.readouterr()
    argv = ["forget", built.dataset, "--url", NOBODY.value, "--domain", "example.or", "--quiet"]
    assert main.run(argv) == NOTHING_MATCHED == 4
    said = capsys.readouterr()
    assert built.state() == before
    assert (
        f"warning: --url {NOBODY.value}: no record matches, nothing was changed; did you mean http://example.org/"
        in (said.err)
    )
    assert "warning: --domain example.or: no record matches, nothing was changed; did you mean example.org?" in said.err


def test_a_forgotten_pair_is_still_known_by_the_url_that_is_gone(built: Built) -> None:
    take_down(built.dataset, [IMAGE], QUIET)
    for folder in (built.dataset, str(built.folder / "work")):
        assert ("shards", "pair", "forgotten") in {
            (event.stage, event.unit, event.reason) for event in why(folder, IMAGE.value)
        }
    assert why(built.dataset, IMAGE.value)[-1].outcome == "forgotten"


def test_only_what_matches_is_taken_down_and_the_rest_is_told(built: Built, capsys: pytest.CaptureFixture[str]) -> None:
    report = built.folder / "report.html"
    main.run(["stats", built.dataset, "--html", str(report), "--quiet"])
    argv = ["forget", built.dataset, "--url", IMAGE.value, NOBODY.value, "--quiet"]
    assert main.run(argv) == NOTHING_MATCHED
    said = capsys.readouterr()
    assert f"--url {IMAGE.value}: 1 samples, 1 pages and pairs of the work folder, 1 stored image URLs" in said.out
    assert not report.exists()
    assert read_manifest(built.dataset).samples == 2
    stones = tombstones.read(str(built.folder / "store"))
    assert identity.image_key(IMAGE.value) in stones.keys
    assert identity.image_key(NOBODY.value) not in stones.keys


def test_a_sibling_on_the_same_store_is_named_until_it_is_purged_too(
    built: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["forget", built.dataset, "--url", IMAGE.value, "--quiet"]) == 0
    said = capsys.readouterr().err
    assert f"{built.sibling}, on the same image store, holds 1 samples of it too: loom forget {built.sibling}" in said
    assert main.run(["forget", built.sibling, "--url", IMAGE.value, "--quiet"]) == 0
    said = capsys.readouterr()
    assert "(taken down before)" in said.out
    assert said.err == ""
    assert read_manifest(built.sibling).samples == 2


def test_the_same_request_again_is_no_mistake_and_deletes_no_report(
    built: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    report = built.folder / "report.html"
    assert main.run(["forget", built.dataset, "--url", IMAGE.value, "--quiet"]) == 0
    digest = read_manifest(built.dataset).digest
    main.run(["stats", built.dataset, "--html", str(report), "--quiet"])
    before = built.state()
    capsys.readouterr()
    assert main.run(["forget", built.dataset, "--url", IMAGE.value, "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["matches"][0]["known"], found["matches"][0]["samples"]) == (True, 0)
    assert found["done"]["digest"] == digest
    assert report.exists()
    assert {name: value for name, value in built.state().items() if name.startswith("out/")} == {
        name: value for name, value in before.items() if name.startswith("out/")
    }


def test_samples_are_counted_without_the_stages_that_they_were_built_from(built: Built) -> None:
    shutil.rmtree(built.folder / "work" / "stages")
    (match,) = asked(built, IMAGE, dry_run=True).matches
    assert (match.samples, match.records, match.images) == (1, 0, 1)


def test_pages_can_be_decided_again_after_their_warc_was_purged(built: Built) -> None:
    done = asked(built, IMAGE, warc=True).done
    assert done is not None
    assert len(done.warcs) == 1
    again = run(built.folder, "again", **{**built.shared, "warcs": ()}, from_pages=True)
    assert (again.samples, again.digest) == (2, done.digest)


def test_a_library_build_obeys_tombstones_that_are_newer_than_its_work_folder(built: Built) -> None:
    stones = IMAGE.stones
    tombstones.write(str(built.folder / "store"), stones)
    assert run(built.folder, "new", **built.shared).samples == 2


@pytest.mark.parametrize(
    ("kind", "value"),
    [("url", "a.example/x"), ("sha256", "0" * 32), ("key", "0" * 64), ("key", "g" * 32)],
)
def test_a_malformed_request_is_refused_before_anything_is_counted(kind: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"--{kind}"):
        take_down("no such dataset", [Request(kind, value)], QUIET)


REF = ImageRef(url=URL)
ROWS = [
    Page(key="k", url=URL, canonical_url="http://b.example/", fetched_at=""),
    Page(key="k", url="http://b.example/", canonical_url=URL, fetched_at=""),
    Pair(key="k", parent="", page_url=URL, image_url="http://b.example/", text="t", text_source="alt_text"),
    Pair(key="k", parent="", page_url="", image_url=URL, text="t", text_source="alt_text"),
    Head(unit="page", key="k", parent="", url=URL),
    ImageRecord(key="k", url=URL, outcome="kept", sha256="0" * 64),
    SidecarRow(key="k", url=URL),
]
STONES = [
    Request("url", URL),
    Request("url", "http://c.example/"),
    Request("domain", "a.example"),
    Request("domain", "b.a.example"),
    Request("key", "0" * 32),
    Request("sha256", "0" * 64),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: type(row).__name__)
def test_a_request_matches_what_its_tombstones_take_down(row: object) -> None:
    for request in STONES:
        counter = MatchCounter.of([request], Tombstones())
        assert bool(counter.hits(row)) == is_taken_down(row, request.stones), request


def test_images_of_a_page_match_too() -> None:
    page = Page(
        key="k", url="http://b.example/", canonical_url="http://b.example/", fetched_at="",
        blocks=(Block(kind="image", image=REF),),
    )  # fmt: skip
    for row in (page, Head(unit="page", key="k", parent="", url="", images=(URL,))):
        assert MatchCounter.of([Request("url", URL)], Tombstones()).hits(row) == {0}
        assert MatchCounter.of([Request("url", "http://b.example/x")], Tombstones()).hits(row) == set()


def test_redacted_urls_have_no_marks() -> None:
    assert list(url_marks("")) == list(url_marks(tombstones.hide(URL))) == []
    assert set(marks_of(Head(unit="page", key="k", parent="", url=tombstones.hide(URL)))) == {"k"}
