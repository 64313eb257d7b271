"""`loom list` names every recipe, configuration and key, with values that --set would change."""

import json
from pathlib import Path

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.pipelines.cli.commands.list import configurations, keys, recipes
from corpusloom.pipelines.recipes.keys import keys_of
from corpusloom.pipelines.recipes.recipe import Recipe, load_recipe, recipe_names
from corpusloom.trainers.training.config import config_names, load_config


def test_every_recipe_and_configuration_is_listed() -> None:
    assert tuple(row["name"] for row in recipes()) == recipe_names()
    assert all(row["description"] for row in recipes())
    assert [row["name"] for row in configurations()] == config_names()
    (tiny,) = [row for row in configurations() if row["name"] == "clip-tiny"]
    assert tiny == {"name": "clip-tiny", "family": "clip", "training": "750 steps of 128 samples"}


def test_without_a_name_every_key_is_listed_with_what_it_is_if_left_out() -> None:
    rows = {row["key"]: row for row in keys("")}
    assert rows.keys() == {key.path for key in keys_of(Recipe) if key.table is None}
    assert rows["filters.images.min_side"]["value"] == "off"
    assert rows["filters.images.min_side"]["type"] == "whole number or { above = ... }"
    assert all(row["what"] for row in rows.values())


def test_the_keys_of_a_recipe_have_its_values() -> None:
    rows = {row["key"]: row["value"] for row in keys("align")}
    assert rows["filters.captions.min_words"] == "3"
    assert rows["filters.images.min_side"] == "above = 200.0"
    assert "dedup.minhash.permutations" not in rows
    assert rows["images.resize"] in ("none", "off")


def test_a_listed_key_can_be_set() -> None:
    for row in keys("m3w"):
        if row["value"] not in ("off", "none") and " = " not in row["value"] and row["key"] not in ("name", "kind"):
            assert load_recipe("m3w", [f"{row['key']}={row['value']}"]) == load_recipe("m3w")


@pytest.mark.parametrize("name", ["clip-tiny", "flamingo-tiny", "vilbert-tiny"])
def test_the_keys_of_a_configuration_have_its_values_and_can_be_set(name: str) -> None:
    rows = {row["key"]: row for row in keys(name)}
    assert rows["train.steps"]["value"] == str(load_config(name).train.steps)
    assert {key.split(".")[0] for key in rows} == {"train", "parallel", "loader", "model", "data"}
    assert all(row["what"] for row in rows.values())
    for key in ("train.lr", "train.warmup"):
        assert load_config(name, [f"{key}={rows[key]['value']}"]) == load_config(name)


def test_a_file_is_listed_as_what_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe, run = tmp_path / "recipe.toml", tmp_path / "run.toml"
    recipe.write_text('format = 2\nname = "mine"\nkind = "pairs"\n[filters.captions]\nmin_words = 5\n')
    run.write_text('family = "clip"\n[train]\nsteps = 7\nbatch_size = 2\nlr = 1.0\n')
    assert main.run(["list", "keys", str(recipe), "--json"]) == 0
    assert {"filters.captions.min_words": "5"}.items() <= _values(capsys).items()
    assert main.run(["list", "keys", str(run), "--json"]) == 0
    assert {"train.steps": "7", "train.lr": "1.0"}.items() <= _values(capsys).items()


def _values(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    return {row["key"]: row["value"] for row in json.loads(capsys.readouterr().out)}


def test_tables_are_printed_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["list", "recipes"]) == 0
    assert "m3w" in capsys.readouterr().out
    assert main.run(["list", "keys", "m3w"]) == 0
    assert capsys.readouterr().out.split()[:4] == ["key", "value", "type", "what"]
