"""The stages of a build: what is reused, which images are fetched, and what is refused."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corpusloom.pipelines.builds import run_stages
from corpusloom.pipelines.builds.plan import Planner, statuses
from corpusloom.pipelines.builds.run_stages import Stages
from corpusloom.pipelines.engine.metrics import Measures
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.engine.runners import Profile
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.pipelines.stages.extract.input_fragments import InputFile, write_counts
from corpusloom.pipelines.stages.kinds.pairs import PAIRS
from corpusloom.pipelines.store.images.outcomes import ImageUrl
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.stages import Stage, StageReport, StoreLagError, commit, read_report
from corpusloom.schemas import arrow, identity
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.schemas.records import FileEntry, StageCounts
from tests.pipelines.builds.test_promises import config
from tests.pipelines.stages.extract.test_list_pairs import write_folder
from tests.pipelines.store.store_maker import fill, outcomes

INPUTS = [FileEntry(name="a.warc", sha256="a" * 64, bytes=1)]
RECORDS = StageCounts(stage="extract", unit="record", records_in=2, kept=2)


def stages(folder: Path, *overrides: str, **changes: Any) -> Stages:
    """Return the stages of a build."""
    reporter = Reporter(quiet=True)
    return Stages(Planner(config(folder, load_recipe("align", overrides), **changes)), reporter)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return the pipelines that were run, none of which runs."""
    found: list[object] = []

    def run(pipeline: object, _: object) -> Measures:
        found.append(pipeline)
        return Measures(counters={"x": 1})

    monkeypatch.setattr(run_stages, "run", run)
    return found


def test_a_finished_stage_is_reused_and_an_unfinished_one_is_not(tmp_path: Path) -> None:
    made = stages(tmp_path)
    stage = made.planner.plan_extract(INPUTS)
    assert made.reuse(stage) is None
    commit(stage, (RECORDS,))
    report = made.reuse(stage)
    assert report is not None
    assert report.counts == (RECORDS,)
    assert made.reused == ["extract"]
    assert made.report(None, (RECORDS,)).reused == ("extract",)


def commit_extract(made: Stages, counts: StageCounts = RECORDS) -> Stage:
    """Finish the extract stage over INPUTS; return it."""
    stage = made.planner.plan_extract(INPUTS)
    write_counts(made.planner.warc_folder.folder, InputFile(path="a.warc", sha256=INPUTS[0].sha256), (counts,))
    commit(stage, (counts,), warcs=arrow.to_plain(INPUTS))
    return stage


def test_a_finished_extract_stage_runs_nothing(tmp_path: Path, ran: list[object]) -> None:
    made = stages(tmp_path, warcs=("a.warc",))
    made.pages(commit_extract(made), INPUTS)
    assert ran == []
    assert made.reused == ["extract"]


def test_inputs_without_a_record_are_refused_unless_pages_are_reused(tmp_path: Path) -> None:
    made = stages(tmp_path, warcs=("a.warc",))
    stage = commit_extract(made, dataclasses.replace(RECORDS, records_in=1, kept=0, dead={"truncated_warc": 1}))
    with pytest.raises(InputError, match=r"a\.warc: no record can be read"):
        made.pages(stage, INPUTS)
    stages(tmp_path, from_pages=True).pages(stage, INPUTS)


@pytest.fixture
def extracted(tmp_path: Path) -> tuple[Stages, Any, list[FileEntry]]:
    """Return a build whose folder of img2dataset is extracted: 8 pairs."""
    folder = str(write_folder(tmp_path / "in", "webdataset"))
    made = stages(tmp_path, from_img2dataset=(folder,))
    stage, inputs = made.planner.planned_pages()
    made.pages(stage, inputs)
    return made, stage, inputs


def test_deleted_fragments_are_extracted_again_although_the_stage_is_finished(
    extracted: tuple[Stages, Any, list[FileEntry]],
) -> None:
    made, stage, inputs = extracted
    folder = Path(made.planner.warc_folder.folder)
    before = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.parquet")}
    shutil.rmtree(folder)
    assert dict(statuses(made.planner, stage, inputs))["extract"] == "runs: 1 of 1 WARCs are new"
    made.pages(stage, inputs)
    assert {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.parquet")} == before
    made.reused.clear()
    made.pages(stage, inputs)
    assert made.reused == ["extract"]


def test_extract_then_select_account_for_each_pair(extracted: tuple[Stages, Any, list[FileEntry]]) -> None:
    made, stage, inputs = extracted
    report = read_report(stage)
    assert {row.unit: row.kept for row in report.counts} == {"record": 8, "pair": 8}
    assert report.facts["warcs"] == arrow.to_plain(inputs)
    assert made.planner.finished(inputs) == 1
    select = made.planner.plan_select(stage)
    left = Path(select.path("decisions", "part-of-a-killed-run.parquet"))
    left.parent.mkdir(parents=True)
    left.write_bytes(b"cut")
    selected = made.select(select, inputs, report)
    assert not left.exists()
    assert [(row.unit, row.records_in, row.kept) for row in selected.counts] == [("pair", 8, 8)]
    assert read_report(select) == selected
    assert made.reporter.measures.counters["select/pair/kept"] == 8
    assert made.reused == []
    assert set(made.reporter.seconds) == {"extract", "select"}


def test_decisions_that_are_not_all_there_are_an_error(extracted: tuple[Stages, Any, list[FileEntry]]) -> None:
    made, stage, inputs = extracted
    pairs = StageCounts(stage="extract", unit="pair", records_in=9, kept=9)
    with pytest.raises(StoreLagError):
        made.select(made.planner.plan_select(stage), inputs, StageReport(name="extract", counts=(pairs,), facts={}))


def wanted(*names: str) -> list[ImageUrl]:
    """Return images by the names of their URLs."""
    urls = [f"http://example.org/{name}" for name in names]
    return [ImageUrl(identity.image_key(url), url) for url in urls]


def test_nothing_is_fetched_if_every_image_has_an_outcome(tmp_path: Path, ran: list[object]) -> None:
    made, store = stages(tmp_path), fill(tmp_path / "store", outcomes())
    made.fetch_images(wanted("a", "gone", "slow"), store, str(tmp_path / "frontier"))
    assert (made.reused, ran) == (["images"], [])


def test_a_missing_image_is_fetched_with_a_contact_only(tmp_path: Path, ran: list[object]) -> None:
    store = fill(tmp_path / "store", outcomes())
    with pytest.raises(ConfigError, match="--contact"):
        stages(tmp_path).fetch_images(wanted("a", "new"), store, str(tmp_path / "frontier"))
    assert ran == []
    made = stages(tmp_path, fetch=FetchConfig(contact="me@example.org"))
    with pytest.raises(StoreLagError):  # the replaced pipeline stores nothing
        made.fetch_images(wanted("a", "new"), store, str(tmp_path / "frontier"))
    assert len(ran) == 1
    assert (tmp_path / "frontier").exists()
    assert made.reporter.measures.counters == {"x": 1}


def test_facts_are_made_of_the_images_that_have_none(tmp_path: Path) -> None:
    made, store = stages(tmp_path), fill(tmp_path / "store", outcomes())
    keys = [item.key for item in wanted("a", "again", "gone")]
    made.make_facts(store, keys)
    facts = ImageStore(store.folder).facts()
    assert len(facts.column("sha256")) == 1
    made.make_facts(ImageStore(store.folder), keys)
    assert made.reporter.seconds.keys() == {"images"}


def test_images_are_scored_only_if_the_recipe_names_a_model(tmp_path: Path, ran: list[object]) -> None:
    stages(tmp_path).score_images(fill(tmp_path / "store", outcomes()), [item.key for item in wanted("a")])
    assert ran == []


def test_select_runs_on_an_engine_where_the_profile_says_so(
    tmp_path: Path, ran: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    decided: list[Callable[..., object]] = []
    monkeypatch.setattr(run_stages.local, "select", lambda *given, **_: decided.append(given[1]))
    monkeypatch.setattr(run_stages, "check_select", lambda *_, **__: None)
    made = stages(tmp_path)
    stage = made.planner.plan_select(made.planner.plan_extract(INPUTS))
    made.decide(["x"], stage)
    assert (decided, ran) == ([PAIRS.steps(made.recipe)], [])
    engine = stages(tmp_path, profile=Profile(runner="flink"))
    spill = Path(stage.path("decisions", "spill"))
    spill.mkdir(parents=True)
    engine.decide(["x"], stage)
    assert (len(decided), len(ran), spill.exists()) == (1, 1, False)
