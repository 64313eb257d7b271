"""Recipes load strictly, say where their values come from, and hold the papers' values."""

import dataclasses
import json
import re
import tomllib

import pytest

from corpusloom.pipelines.recipes.recipe import Recipe, config_json, load_recipe, recipe_names, recipe_text, to_toml
from corpusloom.schemas.errors import ConfigError, InputError


def test_the_recipes_that_ship() -> None:
    assert {"align", "m3w", "mmc4", "obelics", "regions"} <= set(recipe_names())


@pytest.mark.parametrize("name", recipe_names())
def test_each_recipe_opens_with_paper_and_section(name: str) -> None:
    opening = "".join(line for line in recipe_text(name).splitlines(keepends=True)[:3] if line.startswith("#"))
    assert re.search(r"\d{4}\.\d{5}", opening)
    assert "section" in opening


@pytest.mark.parametrize("name", recipe_names())
def test_each_threshold_names_its_source(name: str) -> None:
    table = ""
    for line in recipe_text(name).splitlines():
        if line.startswith("["):
            table = line
        elif table and "=" in line and not line.startswith("#"):
            comment = line.partition("#")[2]
            assert re.search(r"§\d|[A-Z]\.\d|App\. [A-Z]|Table|ours|code", comment), line


@pytest.mark.parametrize("name", recipe_names())
def test_each_recipe_loads_under_its_own_name(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.description


def test_flamingos_values() -> None:
    recipe = load_recipe("m3w")
    assert recipe.filters.images.min_side == 64
    assert recipe.filters.images.max_aspect == 3.0
    assert recipe.images.max_per_page is None
    assert recipe.filters.quality is not None
    assert (recipe.filters.quality.min_words, recipe.filters.quality.max_words) == (50, 100_000)
    assert recipe.filters.obelics is None


def test_aligns_values() -> None:
    recipe = load_recipe("align")
    assert (recipe.filters.images.min_side, recipe.filters.images.strict) == (200, True)
    assert recipe.filters.captions is not None
    assert (recipe.filters.captions.min_words, recipe.filters.captions.max_words) == (3, 20)


def test_a_toml_value_equal_to_a_default_stays_visible() -> None:
    quality = load_recipe("m3w").filters.quality
    assert quality is not None
    assert tomllib.loads(recipe_text("m3w"))["filters"]["quality"] == dataclasses.asdict(quality)


@pytest.mark.parametrize(
    ("assignment", "read"),
    [
        ("filters.min_side=200", lambda recipe: recipe.filters.images.min_side == 200),
        ("filters.images.min_side=200", lambda recipe: recipe.filters.images.min_side == 200),
        ("filters.max_top_2_gram=0.5", lambda recipe: recipe.filters.repetition.max_top_2_gram == 0.5),
        ("images.max_per_page=30", lambda recipe: recipe.images.max_per_page == 30),
        ("split.val=0.01", lambda recipe: recipe.split.val == 0.01),
        ('filters.languages=["en", "de"]', lambda recipe: recipe.filters.language.languages == ("en", "de")),
        ("filters.pii.phone=PHONE", lambda recipe: recipe.filters.pii.phone == "PHONE"),
    ],
)
def test_overrides(assignment: str, read: object) -> None:
    assert read(load_recipe("m3w", [assignment]))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("name", "assignments", "message"),
    [
        ("m3v", [], "did you mean m3w"),
        ("nothing-like-it", [], "known: align"),
        ("m3w", ["filters.min_sides=200"], "unknown key filters.min_sides"),
        ("m3w", ["filters.images.min_sid=200"], "did you mean filters.images.min_side"),
        ("m3w", ["filters.min_words=10"], "could be several.*filters.quality.min_words"),
        ("m3w", ["filters.min_side"], "not KEY=VALUE"),
        ("m3w", ["filters.min_side=wide"], "filters.images.min_side"),
        ("m3w", ["kind=pages"], "kind is 'pages'.*interleaved"),
        ("m3w", ['filters.order=["qualty"]'], "filters.order names 'qualty'"),
        ("m3w", ["dedup.minhash.bands=0"], "bands is 0"),
        ("m3w", ["split.val=2"], "split.val is 2"),
    ],
)
def test_mistakes_are_explained(name: str, assignments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_recipe(name, assignments)


def test_a_recipe_of_ones_own(tmp_path: object) -> None:
    path = f"{tmp_path}/mine.toml"
    with open(path, "w", encoding="utf-8") as file:
        file.write('name = "mine"\nkind = "pairs"\n[filters.images]\nmin_side = 10\n')
    recipe = load_recipe(path, ["filters.max_aspect=2.0"])
    assert (recipe.name, recipe.filters.images.min_side, recipe.filters.images.max_aspect) == ("mine", 10, 2.0)
    with pytest.raises(InputError):
        load_recipe(f"{tmp_path}/missing.toml")


@pytest.mark.parametrize("name", recipe_names())
def test_printed_toml_loads_to_the_same_recipe(name: str, tmp_path: object) -> None:
    recipe = load_recipe(name, ["filters.min_side=123"])
    path = f"{tmp_path}/{name}.toml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(to_toml(recipe))
    assert load_recipe(path) == recipe


def test_the_canonical_json_tells_configurations_apart_and_nothing_else() -> None:
    assert config_json(load_recipe("m3w")) == config_json(load_recipe("m3w", ["filters.min_side=64"]))
    assert config_json(load_recipe("m3w")) != config_json(load_recipe("m3w", ["filters.min_side=65"]))
    assert list(json.loads(config_json(Recipe(name="x", kind="pairs")))) == sorted(
        item.name for item in dataclasses.fields(Recipe)
    )
