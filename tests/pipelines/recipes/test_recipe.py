"""Recipes load strictly, name the sources of their values, and have the papers' values."""

import dataclasses
import json
import re
import tomllib

import pytest

from corpusloom.pipelines.filters.pii import PiiConfig
from corpusloom.pipelines.recipes.recipe import (
    Recipe,
    config_json,
    from_json,
    load_recipe,
    recipe_names,
    recipe_text,
)
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.schemas.verdicts import Above, Below


def test_the_shipped_recipes_are_listed() -> None:
    assert {"align", "m3w", "mmc4", "obelics", "regions"} <= set(recipe_names())


@pytest.mark.parametrize("name", recipe_names())
def test_each_recipe_opens_with_paper_and_section_or_says_that_it_is_ours(name: str) -> None:
    opening = "".join(line for line in recipe_text(name).splitlines(keepends=True)[:3] if line.startswith("#"))
    follows_a_paper = re.search(r"\d{4}\.\d{5}", opening) and re.search("section|appendix", opening, re.IGNORECASE)
    assert follows_a_paper or re.search(r"\bours\b", opening)


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


def test_m3w_has_the_values_of_the_flamingo_paper() -> None:
    recipe = load_recipe("m3w")
    assert recipe.filters.images.min_side == 64
    assert recipe.filters.images.max_aspect == 3.0
    assert recipe.images.max_per_page is None
    assert recipe.filters.quality is not None
    assert (recipe.filters.quality.min_words, recipe.filters.quality.max_words) == (50, 100_000)
    assert recipe.filters.obelics is None


def test_align_has_the_values_of_its_paper() -> None:
    recipe = load_recipe("align")
    assert recipe.filters.images.min_side == Above(above=200)
    assert recipe.filters.images.max_aspect == Below(below=3.0)
    assert recipe.filters.captions is not None
    assert (recipe.filters.captions.min_words, recipe.filters.captions.max_words) == (3, 20)


def test_a_table_of_thresholds_names_every_one() -> None:
    quality = load_recipe("m3w").filters.quality
    assert quality is not None
    assert tomllib.loads(recipe_text("m3w"))["filters"]["quality"] == dataclasses.asdict(quality)


def test_a_filter_is_an_attribute_of_the_recipe() -> None:
    assert load_recipe("m3w").filters.quality is not None
    assert Recipe(name="x", kind="interleaved").filters.quality is None


@pytest.mark.parametrize(
    ("assignment", "read"),
    [
        ("filters.min_side=200", lambda recipe: recipe.filters.images.min_side == 200),
        ("filters.images.min_side=200", lambda recipe: recipe.filters.images.min_side == 200),
        ("filters.max_top_2_gram=0.5", lambda recipe: recipe.filters.repetition.max_top_2_gram == 0.5),
        ("images.max_per_page=30", lambda recipe: recipe.images.max_per_page == 30),
        ("split.val=0.01", lambda recipe: recipe.split.val == 0.01),
        ('filters.languages=["en", "de"]', lambda recipe: recipe.filters.language.languages == ("en", "de")),
        ("filters.pii.phone=PHONE", lambda recipe: recipe.filters.pii == PiiConfig(phone="PHONE")),
        ("filters.min_side={above = 200}", lambda recipe: recipe.filters.images.min_side == Above(above=200)),
        ("filters.min_side.above=200", lambda recipe: recipe.filters.images.min_side == Above(above=200)),
        ("filters.images.max_aspect.below=2", lambda recipe: recipe.filters.images.max_aspect == Below(below=2.0)),
        ("filters.max_aspect=off", lambda recipe: recipe.filters.images.max_aspect is None),
        ("filters.quality=off", lambda recipe: recipe.filters.quality is None),
        ("filters.quality.min_words = off", lambda recipe: recipe.filters.quality.min_words is None),
        ("filters.pii=off", lambda recipe: recipe.filters.pii is None),
        ("dedup.exact_url=off", lambda recipe: recipe.dedup.exact_url is False),
        ("dedup.minhash=off", lambda recipe: recipe.dedup.minhash is None),
        ("filters.formats=off", lambda recipe: recipe.filters.images.formats == ()),
        ("images.format=off", lambda recipe: recipe.images.format is None),
        ("honour.signals=[]", lambda recipe: recipe.honour.signals == ()),
    ],
)
def test_an_assignment_changes_its_key(assignment: str, read: object) -> None:
    assert read(load_recipe("m3w", [assignment]))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("name", "assignments", "message"),
    [
        ("m3v", [], "did you mean m3w"),
        ("nothing-like-it", [], "known: align"),
        ("m3w", ["filters.min_sides=200"], "unknown key filters.min_sides"),
        ("m3w", ["filters.images.min_sid=200"], "did you mean filters.images.min_side"),
        ("m3w", ["filters.min_words=10"], "is ambiguous.*filters.quality.min_words"),
        ("m3w", ["filters.min_side"], "not KEY=VALUE"),
        ("m3w", ["filters.min_side=wide"], "filters.images.min_side"),
        ("m3w", ["kind=pages"], "kind is 'pages'.*interleaved"),
        ("m3w", ['filters.order=["qualty"]'], "filters.order names 'qualty'"),
        ("m3w", ["dedup.minhash.bands=0"], "bands is 0"),
        ("m3w", ["split.val=2"], "split.val is 2"),
        ("m3w", ["honour.signals=off"], r"honour.signals cannot be off: it is a setting \(by default .*noai"),
        ("m3w", ["images.quality=off"], r"images.quality cannot be off: it is a setting \(by default 95\)"),
        ("m3w", ["name=off"], "name cannot be off: it is a setting"),
        ("m3w", ["filters=off"], "filters cannot be off: it is a table of settings"),
        ("m3w", ["filters.images=off"], "filters.images cannot be off: it is a table of settings"),
        ("m3w", ["filters.qualty=off"], "unknown key filters.qualty.*did you mean filters.quality"),
        ("m3w", ["filters.min_side.below=200"], "filters.images.min_side"),
        ("m3w", ['honour.signals=["noia"]'], "honour.signals names 'noia'.*noai"),
        ("m3w", ["dedup.exact_text=fuzzy"], "dedup.exact_text is 'fuzzy'"),
        ("m3w", ["filters.captions.min_words=3"], "filters.captions is for pairs, and this recipe makes interleaved"),
        ("align", ["filters.quality.min_words=3"], "filters.quality is for interleaved, and this recipe makes pairs"),
        ("align", ["images.min_per_page=1"], "images.min_per_page is for interleaved"),
        ("regions", ["filters.min_side=300"], "filters.images.min_side is for interleaved and pairs.*makes regions"),
    ],
)
def test_mistakes_are_errors_with_a_remedy(name: str, assignments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_recipe(name, assignments)


def test_a_recipe_may_be_a_file_of_the_user(tmp_path: object) -> None:
    path = f"{tmp_path}/mine.toml"
    with open(path, "w", encoding="utf-8") as file:
        file.write('format = 2\nname = "mine"\nkind = "pairs"\n[filters.images]\nmin_side = 10\n')
    recipe = load_recipe(path, ["filters.max_aspect=2.0"])
    assert (recipe.name, recipe.filters.images.min_side, recipe.filters.images.max_aspect) == ("mine", 10, 2.0)
    with pytest.raises(InputError):
        load_recipe(f"{tmp_path}/missing.toml")


def test_the_canonical_json_tells_configurations_apart_and_nothing_else() -> None:
    assert config_json(load_recipe("m3w")) == config_json(load_recipe("m3w", ["filters.min_side=64"]))
    assert config_json(load_recipe("m3w")) != config_json(load_recipe("m3w", ["filters.min_side=65"]))
    values = json.loads(config_json(Recipe(name="x", kind="pairs")))
    assert list(values) == sorted(["format", *(item.name for item in dataclasses.fields(Recipe))])
    assert values["format"] == 2


@pytest.mark.parametrize("name", recipe_names())
def test_the_canonical_json_is_read_back(name: str) -> None:
    recipe = load_recipe(name)
    assert from_json(json.loads(config_json(recipe)), where="run.json") == recipe


def test_a_recipe_that_an_older_version_wrote_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"a recipe of format 1.*build the dataset again"):
        from_json({"name": "m3w", "kind": "interleaved", "filters": {"quality": {"min_words": 50}}}, where="run.json")
