"""The rules of a recipe, as data: what is decided from scores alone, so that a threshold moves without measuring.

A page has `page_rules`, its images have `image_rules`, and what is left of them `image_count_rules`.
"""

from collections.abc import Iterable

from corpusloom.pipelines.filters import align_captions, language
from corpusloom.pipelines.filters import image_rules as image_filter
from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.recipes.rules import text_rules
from corpusloom.schemas.verdicts import Rule, at_least, at_most


def _active(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Return the rules that have a bound."""
    return tuple(rule for rule in rules if rule.minimum is not None or rule.maximum is not None)


def page_rules(recipe: Recipe) -> tuple[Rule, ...]:
    """Return the rules for a page's text, in the recipe's order."""
    return _active(text_rules(recipe.filters))


def image_count_rules(recipe: Recipe) -> tuple[Rule, ...]:
    """Return the rules on how many images a page has (score `images`): after extraction and after the image rules."""
    return _active(
        (
            at_least("no_image", "images", recipe.images.min_per_page),
            at_most("too_many_images", "images", recipe.images.max_per_page),
        )
    )


def select_rules(recipe: Recipe) -> tuple[Rule, ...]:
    """Return the rules before any fetch: an image at all (Flamingo, App. A.3.1, drops pages without one), then text."""
    return (*(rule for rule in image_count_rules(recipe) if rule.minimum is not None), *page_rules(recipe))


def pair_rules(recipe: Recipe) -> tuple[Rule, ...]:
    """Return the rules for a pair's text; its image has `image_rules`."""
    filters = recipe.filters
    caption_rules = () if filters.captions is None else align_captions.rules(filters.captions)
    return _active((*caption_rules, *(() if filters.language is None else language.rules(filters.language))))


def image_rules(recipe: Recipe) -> tuple[Rule, ...]:
    """Return all rules for an image occurrence, those that need no fetch first."""
    return _active(image_filter.rules(recipe.filters.images))
