"""The pipeline of each stage gets the values of its build."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corpusloom.pipelines.builds import stage_pipelines
from corpusloom.pipelines.builds.stage_pipelines import StagePipelines
from corpusloom.pipelines.datasets.forget import make_tombstones
from corpusloom.pipelines.engine.runners import Profile
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.pipelines.stages.extract.input_fragments import InputFile
from corpusloom.pipelines.stages.kinds.pairs import PAIRS
from corpusloom.pipelines.stages.selected_records import SelectedRecords
from corpusloom.pipelines.store.images.frontier import FrontierLane
from corpusloom.pipelines.store.lists.list_config import PairListConfig
from tests.pipelines.builds.test_promises import config

INPUTS = (InputFile(path="a.warc", sha256="a" * 64), InputFile(path="b.warc", sha256="b" * 64))
STONES = make_tombstones(urls=("http://example.org/1.png",))
Called = Callable[[str], list[Any]]


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Called:
    """Return a function that replaces a stage's `build` and returns the list of its arguments."""

    def replace(stage: str) -> list[Any]:
        arguments: list[Any] = []
        monkeypatch.setattr(getattr(stage_pipelines, stage), "build", lambda *given: arguments.extend(given))
        return arguments

    return replace


def pipelines(folder: Path, **changes: Any) -> StagePipelines:
    """Return the pipelines of a build."""
    return StagePipelines(config(folder, load_recipe("align"), **changes))


@pytest.mark.parametrize("resolve", [True, False])
def test_warcs_are_extracted_as_the_build_says(tmp_path: Path, called: Called, resolve: bool) -> None:
    given = called("extract")
    made = pipelines(tmp_path, workers=3, limit=9, verify_digests=True, resolve_revisits=resolve)
    made.extract("folder", INPUTS, STONES, ("earlier",))("pipeline")  # type: ignore[arg-type]
    pipeline, stage, inputs = given
    assert (pipeline, inputs) == ("pipeline", INPUTS)
    assert dataclasses.asdict(dataclasses.replace(stage, kind=None, recipe=None, tombstones=None)) == {
        "folder": "folder",
        "kind": None,
        "recipe": None,
        "workers": 3,
        "limit": 9,
        "tombstones": None,
        "verify_digests": True,
        "across": ("a.warc", "b.warc") if resolve else (),
        "earlier": ("earlier",),
    }
    assert (stage.kind, stage.recipe, stage.tombstones) == (PAIRS, made.config.recipe, STONES)


@pytest.mark.parametrize(("field", "kind"), [("lists", "list"), ("from_img2dataset", "img2dataset")])
def test_lists_take_the_place_of_warcs(tmp_path: Path, called: Called, field: str, kind: str) -> None:
    given = called("list_pairs")
    columns = PairListConfig(url_column="u", caption_column="c")
    made = pipelines(tmp_path, limit=4, columns=columns, **{field: ("x",)})
    made.extract("folder", INPUTS, STONES, ("earlier",))("pipeline")  # type: ignore[arg-type]
    pipeline, rows, inputs = given
    assert (pipeline, inputs) == ("pipeline", INPUTS)
    assert (rows.folder, rows.kind, rows.limit, rows.columns) == ("folder", kind, 4, columns)
    assert (rows.tombstones, rows.earlier, rows.recipe) == (STONES, ("earlier",), made.config.recipe)
    assert rows.images == made.images_config


def test_images_are_fetched_with_the_opt_outs_of_the_recipe(tmp_path: Path, called: Called) -> None:
    given = called("images")
    recipe = load_recipe("align", ('honour.signals=["noai"]',))
    made = StagePipelines(config(tmp_path, recipe, lanes=5, workers=3, blocklists=("md5=x",), fetcher="img2dataset"))
    lanes = [FrontierLane(0, ("part",), 1)]
    made.fetch(lanes, 7)("pipeline")  # type: ignore[arg-type]
    pipeline, images, fetched = given
    assert (pipeline, fetched) == ("pipeline", lanes)
    assert (images.store, images.lanes, images.workers) == (str(tmp_path / "store"), 5, 3)
    assert (images.blocklists, images.fetcher, images.local) == (("md5=x",), "img2dataset", True)
    assert (images.fetch.honour, images.generation) == (("noai",), 7)
    distributed = dataclasses.replace(made.config, profile=Profile(runner="flink"))
    assert not StagePipelines(distributed).images_config.local


def test_select_facts_and_scores_get_their_inputs(tmp_path: Path, called: Called) -> None:
    made, store = pipelines(tmp_path, workers=3), str(tmp_path / "store")
    select = made.select(["a"], "folder", "between")
    assert (select.steps, select.fragments) == (PAIRS.steps(made.config.recipe), ("a",))
    assert (select.folder, select.scratch) == ("folder", "between")
    given = called("facts")
    made.facts([[]])("pipeline")  # type: ignore[arg-type]
    assert given == ["pipeline", store, 3, [[]]]
    given = called("scores")
    made.scores("model", [[]])("pipeline")  # type: ignore[arg-type]
    assert given == ["pipeline", store, "model", [[]]]


def test_shards_are_made_of_records_decisions_and_the_store(tmp_path: Path, called: Called) -> None:
    given = called("shards")
    made = pipelines(tmp_path)
    records = SelectedRecords(recipe=made.config.recipe, folder="folder", records=("r",), decisions=("d",))
    made.shards("folder", records, number=4, frequent=["u"])("pipeline")  # type: ignore[arg-type]
    pipeline, shards = given
    assert pipeline == "pipeline"
    assert shards.selected is records
    assert (shards.dataset, shards.folder, shards.store) == (str(tmp_path / "out"), "folder", str(tmp_path / "store"))
    assert (shards.shards, shards.frequent, shards.score_models) == (4, ("u",), {})
