"""The rules of a recipe: their order, and that only those with a bound are in force."""

from dataclasses import replace

from corpusloom.pipelines.filters.gopher_quality import QualityConfig
from corpusloom.pipelines.recipes.deciding import image_count_rules, image_rules, page_rules, pair_rules, select_rules
from corpusloom.pipelines.recipes.recipe import Recipe, load_recipe
from corpusloom.schemas.verdicts import Rule

EMPTY = Recipe(name="empty", kind="interleaved")


def test_a_recipe_without_thresholds_has_no_rule() -> None:
    for rules in (image_count_rules, image_rules, page_rules, pair_rules, select_rules):
        assert rules(EMPTY) == ()


def test_the_order_of_a_recipe_is_that_of_its_reasons() -> None:
    m3w = load_recipe("m3w")
    reasons = [rule.reason for rule in page_rules(m3w)]
    assert reasons[:4] == ["language", "language_uncertain", "mixed_languages", "explicit_text"]
    assert reasons.index("top_2_gram") < reasons.index("too_few_words")
    turned = load_recipe("m3w", ['filters.order=["quality"]'])
    assert [rule.reason for rule in page_rules(turned)][:2] == ["too_few_words", "too_many_words"]


def test_a_filter_that_the_order_does_not_name_judges_after_those_that_it_names() -> None:
    turned = load_recipe("mmc4", ['filters.order=["c4"]'])
    reasons = [rule.reason for rule in page_rules(turned)]
    assert reasons.index("language") > reasons.index("too_few_sentences")


def test_a_page_needs_an_image_before_its_text_is_judged_and_a_cap_waits_for_the_images() -> None:
    obelics = load_recipe("obelics")
    assert select_rules(obelics)[0] == Rule(reason="no_image", score="images", minimum=1)
    assert "too_many_images" not in [rule.reason for rule in select_rules(obelics)]
    assert [rule.reason for rule in image_count_rules(obelics)] == ["no_image", "too_many_images"]


def test_a_threshold_of_zero_is_in_force() -> None:
    filters = replace(EMPTY.filters, quality=QualityConfig(max_hash_ratio=0.0))
    assert page_rules(replace(EMPTY, filters=filters)) == (
        Rule(reason="too_many_hashes", score="hash_ratio", maximum=0.0),
    )
