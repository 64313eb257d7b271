"""A recipe of format 1 is refused by name of every key whose meaning changed for it."""

import re

import pytest

from corpusloom.pipelines.recipes.keys import keys_of
from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.recipes.versions import FORMER_DEFAULTS, GONE, check_format
from corpusloom.schemas.errors import ConfigError


def message(values: dict[str, object]) -> str:
    with pytest.raises(ConfigError) as error:
        check_format(values, where="mine.toml")
    return str(error.value)


def test_a_file_of_this_format_loses_its_format_and_nothing_else() -> None:
    assert check_format({"format": 2, "name": "x", "kind": "pairs"}, where="") == {"name": "x", "kind": "pairs"}


def test_thresholds_that_were_in_force_without_being_named_are_listed_with_their_values() -> None:
    values = {"name": "mine", "kind": "pairs", "filters": {"captions": {"min_words": 5}, "images": {}}}
    said = message({"format": 1, **values})
    assert "mine.toml" in said
    for expected in (
        "filters.captions.max_words = 20",
        "filters.images.min_side = 64",
        "dedup.exact_text = 'strict'",
        "images.min_per_page = 1",
        "write format = 2",
    ):
        assert expected in said
    assert "filters.captions.min_words" not in said
    assert "filters.quality" not in said


def test_keys_that_are_gone_are_named_with_what_to_do() -> None:
    said = message({"format": 1, "filters": {"images": {"strict": True}}, "dedup": {"minhash": {"min_jaccard": 0.8}}})
    assert "filters.images.strict (write min_side = {above = 200}" in said
    assert "dedup.minhash.min_jaccard (it did nothing)" in said
    assert "max_perplexity" not in said


def test_a_file_without_a_format_is_told_in_a_few_words() -> None:
    said = message({"name": "mine", "kind": "pairs", "filters": {"captions": {"min_words": 5}}})
    assert said.startswith("mine.toml: has no line format = 2 (add it at the top; ")
    assert "and 11 are (format = 1 lists them)" in said
    assert len(said) < 140


@pytest.mark.parametrize(
    ("found", "expected"), [(3, "format is 3"), ("2", "format is '2'"), (1, "a recipe of format 1")]
)
def test_another_format_is_refused(found: object, expected: str) -> None:
    assert expected in message({"format": found, "name": "x"})


def test_a_misspelt_format_is_no_recipe_of_format_1() -> None:
    assert re.search("no format; fromat is close", message({"fromat": 2, "name": "x"}))


def test_every_key_of_the_table_is_a_threshold_that_exists() -> None:
    known = {key.path: key for key in keys_of(Recipe)}
    for table, former in FORMER_DEFAULTS.items():
        for name in former:
            assert known[f"{table}.{name}"].is_threshold, f"{table}.{name}"
    assert not GONE.keys() & known.keys()
