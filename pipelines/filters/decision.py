"""A recipe's filters together: what is measured of a page, a pair, an image, and the rules in the recipe's order."""

from collections.abc import Iterable

from pipelines.filters import captions, images, language, quality, repetition
from pipelines.recipes.recipe import Recipe
from schemas.records import Block, ImageFacts, ImageRecord, ImageRef, Page, Pair
from schemas.verdicts import Rule, Scores


def page_text(blocks: Iterable[Block]) -> str:
    """Return a page's text blocks, headings included, joined by blank lines: what the text rules see."""
    return "\n\n".join(block.text for block in blocks if block.text is not None)


def measure_page(page: Page, recipe: Recipe) -> tuple[Scores, str | None]:
    """Return every score of a page and its language: all cheap filters run, whatever the verdict."""
    text = page_text(page.blocks)
    scores: Scores = {"page_images": float(sum(block.image is not None for block in page.blocks))}
    detected = None
    if recipe.filters.language is not None:
        found, detected = language.measure_language(text, recipe.filters.language)
        scores |= found
    return scores | quality.measure_quality(text) | repetition.measure_repetition(text), detected


def page_rules(recipe: Recipe) -> tuple[Rule, ...]:
    """Return the rules on a page: images, language, repetition, quality (FineWeb runs the last two in this order)."""
    filters = recipe.filters
    found: list[Rule] = []
    if filters.min_images is not None:
        found.append(Rule(reason="no_images", score="page_images", minimum=filters.min_images))
    if filters.language is not None:
        found += language.rules(filters.language)
    if filters.repetition is not None:
        found += repetition.rules(filters.repetition)
    if filters.quality is not None:
        found += quality.rules(filters.quality)
    return tuple(found)


def measure_pair(pair: Pair, recipe: Recipe) -> tuple[Scores, str | None]:
    """Return every score of a pair's text and its language."""
    scores = captions.measure_caption(pair.text)
    detected = None
    if recipe.filters.language is not None:
        found, detected = language.measure_language(pair.text, recipe.filters.language)
        scores |= found
    return scores, detected


def pair_rules(recipe: Recipe) -> tuple[Rule, ...]:
    """Return the rules on a pair's text: length and counts, then language."""
    filters = recipe.filters
    found: list[Rule] = []
    if filters.captions is not None:
        found += captions.rules(filters.captions)
    if filters.language is not None:
        found += language.rules(filters.language)
    return tuple(found)


def measure_image(ref: ImageRef, record: ImageRecord, facts: ImageFacts, recipe: Recipe) -> Scores:
    """Return every score of an image as one page shows it."""
    return images.measure_image_facts(ref, facts, recipe.images.rules)


def image_rules(recipe: Recipe) -> tuple[Rule, ...]:
    """Return the rules on an image."""
    return images.rules(recipe.images.rules)
