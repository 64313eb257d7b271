"""The registry of record kinds: each recipe has its kind, and a kind that no stage makes is refused."""

import pytest

from corpusloom.pipelines.recipes.recipe import KINDS, Recipe, load_recipe
from corpusloom.pipelines.stages.kinds.pages import PAGES
from corpusloom.pipelines.stages.kinds.pairs import PAIRS
from corpusloom.pipelines.stages.kinds.registry import DERIVED_KINDS, RECORD_KINDS, is_derived, kind_of
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.records import Page, Pair


def test_a_recipe_makes_the_kind_that_it_names() -> None:
    assert kind_of(load_recipe("m3w")) is PAGES
    assert kind_of(load_recipe("align")) is PAIRS
    assert (PAGES.record, PAGES.unit, PAGES.command, PAGES.takes_lists) == (Page, "page", "pages", False)
    assert (PAIRS.record, PAIRS.unit, PAIRS.command, PAIRS.takes_lists) == (Pair, "pair", "pairs", True)


def test_only_regions_and_clips_are_not_made_from_web_pages() -> None:
    assert is_derived(load_recipe("regions"))
    assert is_derived(load_recipe("vtp"))
    assert not is_derived(load_recipe("m3w"))
    assert not is_derived(load_recipe("align"))


def test_a_kind_that_no_stage_makes_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"vtp: no stage makes clips from web pages.*interleaved, pairs"):
        kind_of(Recipe(name="vtp", kind="clips"))


def test_each_kind_has_its_own_name_unit_command_and_record() -> None:
    for name in ("name", "unit", "command", "record"):
        values = [getattr(kind, name) for kind in RECORD_KINDS]
        assert len(set(values)) == len(values)
    assert {kind.name for kind in RECORD_KINDS} | set(DERIVED_KINDS) <= set(KINDS)


@pytest.mark.parametrize("kind", RECORD_KINDS, ids=lambda kind: kind.name)
def test_parser_and_sampler_are_importable_functions_that_workers_can_unpickle(kind: object) -> None:
    recipe = Recipe(name="small", kind=kind.name)  # type: ignore[attr-defined]
    for made in (kind.parser(recipe), kind.sampler()):  # type: ignore[attr-defined]
        assert made.__qualname__ == made.__name__
        assert made.__module__.startswith("corpusloom.pipelines.")
