"""A filter is registered by one line from which all else is derived; a forgotten part fails here."""

import dataclasses
import pkgutil

import pytest

from corpusloom.pipelines import filters
from corpusloom.pipelines.filters import pairs
from corpusloom.pipelines.filters.text.text_filter import Text, WordLists
from corpusloom.pipelines.recipes.recipe import load_recipe, recipe_names
from corpusloom.pipelines.recipes.rules import TEXT_FILTERS, FilterSet, Registered, registered, text_rules
from corpusloom.schemas.config import is_threshold

HELPERS = {"text", "pairs", "entry_matching"}
"""Modules in filters/ that are not filters but shared code."""
EVERY = tuple(registered(FilterSet()))
WORDS = frozenset(("boat",))
ENGLISH = Text(
    "The old boat was seen near the river. We saw it there.\nAnd then it was gone again.",
    WordLists(bad_words=WORDS, flagged_words=WORDS, common_words=WORDS),
)


def test_every_module_of_the_filters_stands_in_the_set_of_filters() -> None:
    folders = [filters.__path__, pairs.__path__]
    modules = {item.name for path in folders for item in pkgutil.iter_modules(path)} - HELPERS
    named = {item.metadata.get("text_filter") or item.metadata.get("module") for item in dataclasses.fields(FilterSet)}
    paths = (module.__name__.removeprefix(f"{filters.__name__}.") for module in named if module is not None)
    listed = {path.removeprefix("pairs.").split(".")[0] for path in paths} | {"image_rules"}
    assert modules == listed, "a filter needs its line in recipes/rules.py"


def test_every_filter_is_in_force_in_some_recipe_or_documented_as_yours() -> None:
    used = {
        item.name
        for name in recipe_names()
        for item in registered(load_recipe(name).filters)
        if item.config is not None
    }
    assert set(TEXT_FILTERS) - used == {"fineweb"}, "a filter needs its table in a recipe"


@pytest.mark.parametrize("item", EVERY, ids=lambda item: item.name)
def test_a_filter_judges_scores_that_it_measures(item: Registered[object]) -> None:
    measured = item.module.measure(ENGLISH, None)
    assert measured
    bounds = {field.name: 1 for field in dataclasses.fields(item.defaults) if is_threshold(field)}  # type: ignore[arg-type]
    config = dataclasses.replace(item.defaults, **bounds)  # type: ignore[type-var]
    if item.name == "obelics":
        config = load_recipe("obelics").filters.obelics
    elif item.name == "language":
        config = load_recipe("m3w").filters.language
    assert {rule.score for rule in item.module.rules(config)} <= set(measured)


@pytest.mark.parametrize("item", EVERY, ids=lambda item: item.name)
def test_a_filter_without_thresholds_has_no_rule_with_a_bound(item: Registered[object]) -> None:
    assert item.config is None
    assert item.rules() == ()
    rules = item.module.rules(item.defaults)
    assert all(rule.minimum is None and rule.maximum is None for rule in rules)
    assert len({rule.reason for rule in rules}) == len(rules)


def test_filters_have_different_scores() -> None:
    scores = [score for item in EVERY for score in item.module.measure(ENGLISH, None)]
    assert len(scores) == len(set(scores))


def test_rules_come_in_the_order_of_the_recipe_then_of_the_set() -> None:
    m3w = load_recipe("m3w").filters
    assert text_rules(dataclasses.replace(m3w, order=())) == text_rules(dataclasses.replace(m3w, order=TEXT_FILTERS))
    first = text_rules(dataclasses.replace(m3w, order=("quality",)))[0]
    assert first.reason == "too_few_words"
