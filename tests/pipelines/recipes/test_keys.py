"""Keys are thresholds, which may be off, or settings; a printed recipe loads as the same recipe."""

import dataclasses
import json
import tomllib
import typing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusloom.pipelines.recipes.keys import Key, changed_keys, keys_of, to_toml
from corpusloom.pipelines.recipes.recipe import Recipe, load_recipe, recipe_names
from corpusloom.schemas import config as configs
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.verdicts import Above, Below

KEYS = {key.path: key for key in keys_of(Recipe)}
CHOICES = {
    "name": st.sampled_from(["mine", 'a "quoted" name', "tab\tand\\slash\x7f", "é中"]),
    "dedup.exact_text": st.sampled_from(["strict", "loose"]),
    "filters.language.short_texts": st.sampled_from(["content", "page"]),
    "filters.columns.bounds": st.sampled_from([[], ["similarity >= 0.28"], ["a < 1", "b b > -2.5e3"]]),
    "filters.captions.token_unit": st.sampled_from(["ngrams", "words"]),
    "filters.sites.domains": st.sampled_from([[], ["museum.example"], ["a.org", "ü.de"]]),
    "candidates.texts": st.lists(st.sampled_from(["alt_text", "title", "page_title"]), min_size=1, max_size=3),
    "images.verify_hash": st.sampled_from(["md5", "hash:sha512"]),
    "dedup.scope": st.sampled_from(["corpus", "crawl"]),
    "honour.signals": st.sampled_from([[], ["noai"], ["iptc", "noindex"]]),
    "filters.order": st.sampled_from([[], ["c4"], ["quality", "language"]]),
    "regions.detector": st.just("efficientnet-lite0"),
    "regions.tsv": st.just(["a.tsv"]),
    "regions.match": st.sampled_from(["url", "key", "columns.image_id"]),
    "regions.min_boxes": st.integers(1, 10),
    "regions.max_boxes": st.integers(10, 100),
    "regions.min_score": st.sampled_from([0.0, 0.25, 1]),
    "regions.max_overlap": st.sampled_from([0.0, 0.25, 1]),
    "filters.scores.clip.top_fraction": st.sampled_from([0.3, 1]),
    "filters.scores.aesthetic.top_fraction": st.sampled_from([0.3, 1]),
    "clips.fps": st.sampled_from([0.01, 1.0, 100]),
    "split.val": st.sampled_from([0.0, 0.25, 1]),
}
FIXED = ("kind", "description", "filters.conceptual.person", "filters.conceptual.wordnet")
"""Keys that are not drawn: of the last two a recipe has one at most, and cc12m and cc3m have one each."""


def values_of(key: Key) -> st.SearchStrategy[typing.Any]:
    """Return values of a key as TOML has them."""
    if key.path in CHOICES:
        return CHOICES[key.path]
    options = typing.get_args(key.hint) or (key.hint,)
    numbers = st.integers(1, 1_000) if int in options else st.floats(0, 100, allow_nan=False)
    if Above in options:
        return numbers | numbers.map(lambda number: {"above": number})
    if Below in options:
        return numbers | numbers.map(lambda number: {"below": number})
    if bool in options:
        return st.booleans()
    if int in options or float in options:
        return numbers
    texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
    return st.lists(texts, max_size=3) if typing.get_origin(key.hint) is tuple else texts.map(lambda text: f"x{text}")


def assignments(kind: str) -> st.SearchStrategy[list[str]]:
    """Return a strategy for assignments to the keys of a kind of recipe, some of them to `off`."""
    usable = [key for key in KEYS.values() if (not key.kinds or kind in key.kinds) and key.path not in FIXED]
    values = [
        values_of(key).map(lambda value, path=key.path: f"{path}={inline(value)}") for key in usable if not key.table
    ]
    off = [st.just(f"{key.path}=off") for key in usable if key.is_threshold]
    return st.lists(st.one_of(values + off), max_size=8)


def inline(value: typing.Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {inline(item)}" for name, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


@pytest.mark.parametrize("name", recipe_names())
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_is_printed_loads_back_as_the_same_recipe(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    recipe = load_recipe(name, data.draw(assignments(load_recipe(name).kind)))
    path = Path(tmp_path_factory.getbasetemp()) / "printed.toml"
    path.write_text(to_toml(recipe), "utf-8")
    assert load_recipe(str(path)) == recipe


def test_what_is_off_is_not_printed_and_every_setting_is() -> None:
    printed = tomllib.loads(to_toml(load_recipe("m3w", ["filters.quality.min_words=off", "dedup.exact_url=off"])))
    assert printed["format"] == 2
    assert "min_words" not in printed["filters"]["quality"]
    assert "exact_url" not in printed["dedup"]
    assert printed["dedup"]["scope"] == "corpus"
    assert printed["images"]["quality"] == 95
    assert "pii" not in printed["filters"]


@pytest.mark.parametrize("path", KEYS)
def test_a_threshold_is_off_where_it_is_left_out_and_a_setting_says_how(path: str) -> None:
    key = KEYS[path]
    if key.is_threshold:
        assert key.default is None or key.default is False or key.default == ()
    elif key.default is None:
        assert path in {  # a default of None, "" or () that means: images as fetched, no list, no model
            "images.format",
            "images.resize",
            "filters.images.nsfw_model",
            "filters.lists.bad_words",
            "filters.lists.flagged_words",
            "filters.lists.common_words",
            "filters.lists.tokens",
            "filters.entries.metadata",
            "filters.conceptual.phrases",
            "filters.conceptual.wordnet",
            "filters.scores.clip.model",
            "filters.scores.aesthetic.model",
            "filters.scores.aesthetic.head",
            "filters.sites.path",
        }


@pytest.mark.parametrize("path", [path for path, key in KEYS.items() if key.is_threshold])
def test_off_turns_each_threshold_off_in_every_recipe(path: str) -> None:
    for name in recipe_names():
        recipe: typing.Any = load_recipe(name, [f"{path}=off"])
        for part in path.split("."):
            recipe = getattr(recipe, part) if recipe is not None else None
        assert recipe is None or recipe == KEYS[path].default


def test_every_option_that_is_no_threshold_refuses_off() -> None:
    for key in KEYS.values():
        if not key.is_threshold and not (key.default is None and not key.table):
            with pytest.raises(ConfigError, match=f"{key.path} cannot be off"):
                load_recipe("m3w", [f"{key.path}=off"])


def test_the_last_assignment_wins() -> None:
    assert load_recipe("m3w", ["filters.min_side=off", "filters.min_side=9"]).filters.images.min_side == 9
    assert load_recipe("m3w", ["filters.min_side=9", "filters.min_side=off"]).filters.images.min_side is None
    bounds = ["filters.min_side.above=9", "filters.min_side=8"]
    assert load_recipe("m3w", bounds).filters.images.min_side == 8


def test_tables_may_not_be_bounds() -> None:
    assert KEYS["filters.images.min_side"].table is None
    assert KEYS["filters.obelics.page"].table is not None
    assert "filters.images.min_side.above" not in KEYS


def test_changed_keys_are_those_that_differ_from_an_empty_recipe() -> None:
    empty = Recipe(name="", kind="interleaved")
    assert {key.path for key in changed_keys(empty)} == {"name", "kind"}
    filters = dataclasses.replace(empty.filters, images=dataclasses.replace(empty.filters.images, min_side=3))
    assert "filters.images.min_side" in {key.path for key in changed_keys(dataclasses.replace(empty, filters=filters))}


def test_kinds_come_from_the_table_where_a_key_has_none_of_its_own() -> None:
    assert KEYS["filters.captions.min_words"].kinds == ("pairs",)
    assert KEYS["filters.language.min_score"].kinds == ("interleaved", "pairs")
    assert KEYS["name"].kinds == ()


def test_a_threshold_field_remembers_what_it_is() -> None:
    @dataclasses.dataclass(frozen=True)
    class Sample:
        limit: int | None = configs.threshold()
        how: int = 3

    limit, how = dataclasses.fields(Sample)
    assert configs.is_threshold(limit)
    assert not configs.is_threshold(how)


@pytest.mark.parametrize(
    ("short", "whole"),
    [
        ("filters.min_side=200", "filters.images.min_side=200"),
        ("filters.images.min_side=200", "filters.images.min_side=200"),
        ("filters.order=[]", "filters.order=[]"),
    ],
)
def test_a_short_path_below_filters_is_the_whole_one(short: str, whole: str) -> None:
    assert load_recipe("m3w", (short,)) == load_recipe("m3w", (whole,))


@pytest.mark.parametrize("path", ["images.min_side", "min_side", "filters.nothing"])
def test_no_other_path_is_written_out(path: str) -> None:
    with pytest.raises(ConfigError):
        load_recipe("m3w", (f"{path}=200",))
