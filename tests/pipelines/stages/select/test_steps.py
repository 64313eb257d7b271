"""The steps of a recipe: their order, and the key that turns each on."""

import dataclasses

import pytest

from corpusloom.pipelines.recipes.deciding import pair_rules, select_rules
from corpusloom.pipelines.recipes.recipe import Dedup, load_recipe
from corpusloom.pipelines.stages.select.steps import (
    CountDistinct,
    CountTokens,
    Judge,
    KeepOne,
    KeepOneOfNearDuplicates,
    MarkFrequentParagraphs,
    Step,
    page_steps,
    pair_steps,
)

OBELICS = load_recipe("obelics")


def steps_with(**changes: object) -> list[Step]:
    """Return the steps of pages with only the given deduplication."""
    none = Dedup(exact_url=False, exact_text=None, minhash=None, max_domain_paragraph=None, exact_image_set=False)
    recipe = dataclasses.replace(OBELICS, dedup=dataclasses.replace(none, **changes))  # type: ignore[arg-type]
    judge, *rest = page_steps(recipe)
    assert judge == Judge("Judge pages", select_rules(recipe))
    return rest


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({"exact_url": True}, KeepOne("One page per URL", "key", "duplicate_url")),
        ({"exact_text": "loose"}, KeepOne("One page per text", "text_key", "duplicate_text")),
        ({"minhash": OBELICS.dedup.minhash}, KeepOneOfNearDuplicates("One of near-duplicates", distinct=False)),
        ({"max_domain_paragraph": 0}, MarkFrequentParagraphs("Mark frequent paragraphs", 0)),
        ({"exact_image_set": True}, KeepOne("One page per set of images", "image_key", "duplicate_image_set")),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_each_rule_of_deduplication_is_one_step(changes: dict[str, object], step: Step) -> None:
    assert steps_with(**changes) == [step]
    assert steps_with() == []


def test_pages_are_compared_before_paragraphs_are_counted_and_image_sets_come_last() -> None:
    minhash = load_recipe("m3w").dedup.minhash
    changes = {"exact_url": True, "exact_text": "strict", "minhash": minhash, "exact_image_set": True}
    found = steps_with(**changes, max_domain_paragraph=2)
    assert [type(step).__name__ for step in found] == [
        "KeepOne", "KeepOne", "KeepOneOfNearDuplicates", "MarkFrequentParagraphs", "KeepOne"
    ]  # fmt: skip
    assert [step.by for step in found if isinstance(step, KeepOne)] == ["key", "text_key", "image_key"]
    near = next(step for step in found if isinstance(step, KeepOneOfNearDuplicates))
    assert near.distinct  # one page per URL is left, so no two heads share a name


def test_pairs_are_counted_over_the_raw_set_before_any_rule() -> None:
    recipe = load_recipe("align")
    assert pair_steps(recipe) == (
        CountDistinct("Images per text", by="text_key", of="image_key", score="text_images"),
        CountDistinct("Texts per image", by="image_key", of="text_key", score="image_texts"),
        CountTokens("Count tokens"),
        Judge("Judge pairs", pair_rules(recipe)),
        KeepOne("One of equal pairs", "key", "duplicate_pair"),
    )


def test_tokens_are_counted_only_for_a_recipe_with_a_rule_on_their_counts() -> None:
    recipe = load_recipe("align", ["filters.captions.most_frequent_tokens=off"])
    assert not any(isinstance(step, CountTokens) for step in pair_steps(recipe))
    recipe = load_recipe("align", ["filters.captions=off"])
    assert not any(isinstance(step, CountTokens) for step in pair_steps(recipe))
