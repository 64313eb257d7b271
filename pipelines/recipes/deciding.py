"""The rules of a recipe as data. They decide from scores alone, so a changed threshold needs no new measuring.

`page_rules` apply to a page's text, `image_rules` to each image, `image_count_rules` to the number of its images.
"""

from collections.abc import Iterable
from typing import Any

from corpusloom.pipelines.filters import image_rules as image_filter
from corpusloom.pipelines.filters import language
from corpusloom.pipelines.filters.pairs import align_captions, columns, entries, sites, templates
from corpusloom.pipelines.filters.pairs.conceptual import caption_rules as conceptual
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
    """Return the rules on the number of a page's images (score `images`), applied before and after the image rules."""
    return _active(
        (
            at_least("no_image", "images", recipe.images.min_per_page),
            at_most("too_many_images", "images", recipe.images.max_per_page),
        )
    )


def select_rules(recipe: Recipe) -> tuple[Rule, ...]:
    """Return the rules before any fetch: at least the wanted images (Flamingo, App. A.3.1, needs one), then text."""
    return (*(rule for rule in image_count_rules(recipe) if rule.minimum is not None), *page_rules(recipe))


def pair_rules(recipe: Recipe) -> tuple[Rule, ...]:
    """Return the rules for a pair's text; `image_rules` are those for its image."""
    filters = recipe.filters
    tables: tuple[tuple[Any, Any], ...] = (
        (filters.columns, columns),
        (filters.sites, sites),
        (filters.templates, templates),
        (filters.captions, align_captions),
        (filters.language, language),
        (filters.conceptual, conceptual),
        (filters.entries, entries),
    )
    return _active(rule for config, module in tables if config is not None for rule in module.rules(config))


def balance_rules(recipe: Recipe) -> tuple[Rule, ...]:
    """Return the rules on the draws of a pair's entries, which need counts over the pairs that the other rules keep."""
    return () if recipe.filters.entries is None else _active(entries.balance_rules(recipe.filters.entries))


def counts_hypernyms(recipe: Recipe) -> bool:
    """Return whether a rule needs the counts of hypernyms."""
    return bool(hypernym_rules(recipe))


def hypernym_rules(recipe: Recipe) -> tuple[Rule, ...]:
    """Return the rules on the counts of hypernyms over the pairs that the other rules keep."""
    config = recipe.filters.conceptual
    return () if config is None else _active(conceptual.frequency_rules(config))


def image_rules(recipe: Recipe) -> tuple[Rule, ...]:
    """Return all rules for an image occurrence, those that need no fetch first."""
    return _active(image_filter.rules(recipe.filters.images))
