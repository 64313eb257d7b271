"""The end of a build: what is refused, and what run.json holds for a repair."""

import dataclasses
import json
from pathlib import Path

import pytest

from corpusloom.pipelines.builds.config import BuildConfig
from corpusloom.pipelines.builds.finish import (
    NOT_RECORDED,
    is_damaged,
    origin,
    refuse_other,
    shard_fragments,
    write_dataset,
)
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.recipes.recipe import config_json, load_recipe
from corpusloom.pipelines.store.stages import Stage, commit, plan_stage
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.manifest import read_manifest
from tests.pipelines.datasets.finished import finished_dataset


@pytest.fixture
def dataset(tmp_path: Path) -> str:
    """Return a small finished dataset."""
    return finished_dataset(tmp_path)


def stage(folder: Path, *, done: bool) -> Stage:
    """Return a shards stage, finished or not."""
    made = plan_stage(str(folder / "work"), "shards", stage_version=1, inputs={})
    if done:
        commit(made, ())
    return made


def test_a_cut_manifest_is_damaged_and_none_is_not(dataset: str, tmp_path: Path) -> None:
    assert not is_damaged(str(tmp_path / "none"))
    assert not is_damaged(dataset)
    path = Path(dataset, "manifest.json")
    path.write_bytes(path.read_bytes()[:-9])
    assert is_damaged(dataset)


@pytest.mark.parametrize("done", [True, False])
def test_a_finished_dataset_is_not_written_over(dataset: str, tmp_path: Path, done: bool) -> None:
    with pytest.raises(ConfigError, match="finished dataset of another configuration or input"):
        refuse_other(dataset, stage(tmp_path, done=done))
    assert Path(dataset, "manifest.json").exists()


def test_a_damaged_manifest_is_removed_only_for_the_stage_that_made_the_dataset(dataset: str, tmp_path: Path) -> None:
    path = Path(dataset, "manifest.json")
    path.write_bytes(b"{")
    with pytest.raises(ConfigError, match="another configuration"):
        refuse_other(dataset, stage(tmp_path, done=False))
    assert path.exists()
    refuse_other(dataset, stage(tmp_path, done=True))
    assert not path.exists()


def test_an_empty_folder_is_written_into(tmp_path: Path) -> None:
    refuse_other(str(tmp_path / "out"), stage(tmp_path, done=False))


def test_each_shard_has_one_fragment_of_each_kind(tmp_path: Path) -> None:
    made = stage(tmp_path, done=False)
    assert shard_fragments(made, "ledger", 2) == [made.path("ledger", f"0000{index}.parquet") for index in (0, 1)]
    assert shard_fragments(made, "ledger", 0) == []


def config(out: str) -> BuildConfig:
    """Return the configuration of a build."""
    places = {name: f"{out}.{name}" for name in ("work", "store")}
    return BuildConfig(recipe=load_recipe("align"), out=out, warcs=("a.warc",), fetch=FetchConfig(), limit=5, **places)


def test_run_json_holds_the_recipe_and_all_fields_that_shape_a_dataset() -> None:
    made = config("out")
    found = origin(made)
    assert found["recipe"] == json.loads(config_json(made.recipe))
    assert found.keys() - {"recipe"} == {item.name for item in dataclasses.fields(made)} - NOT_RECORDED
    assert (found["warcs"], found["limit"], found["store"]) == (["a.warc"], 5, "out.store")
    json.dumps(found)


def test_the_manifest_is_written_after_run_json_and_the_documents(
    dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = read_manifest(dataset)
    for path in (Path(dataset, name) for name in ("manifest.json", "run.json", "README.md")):
        path.unlink(missing_ok=True)
    written = []
    monkeypatch.setattr(
        "corpusloom.pipelines.builds.finish.write_manifest",
        lambda folder, made: written.append((made, sorted(path.name for path in Path(folder).iterdir()))),
    )
    made = write_dataset(config(dataset), manifest, 1.5, {"select": 2.0})
    ((entry, before),) = written
    assert entry == made
    assert {"run.json", "README.md", "croissant.json"} <= set(before)
    assert [document.name for document in made.documents] == ["README.md", "croissant.json"]
    run = json.loads(Path(dataset, "run.json").read_text())
    assert (run["started"], run["seconds"], run["build"]["limit"]) == (1.5, {"select": 2.0}, 5)
    assert run["finished"] > run["started"]
