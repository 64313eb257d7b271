"""A recipe's filters together: measure a page, a pair or an image once, decide from the scores alone."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from pipelines.filters import c4, captions, fineweb, images, language, obelics, quality, repetition
from pipelines.filters.words import split_words
from pipelines.recipes.recipe import Filters, Recipe
from schemas.records import Block, Page, Pair
from schemas.verdicts import Rule, Scores

measure_image = images.measure_image


@dataclass(frozen=True, slots=True)
class WordLists:
    """Word lists that a user gives by path; without one its score is not measured."""

    bad_words: frozenset[str] | None = None
    flagged_words: frozenset[str] | None = None
    common_words: frozenset[str] | None = None


def page_text(blocks: Iterable[Block]) -> str:
    """Return the text that a page's filters see: all text blocks, headings and captions too, blank lines between."""
    return "\n\n".join(block.text for block in blocks if block.text is not None)


def measure_text(text: str, filters: Filters, lists: WordLists | None = None) -> Scores:
    """Measure a page's text for every text filter but language; what is off is measured with its defaults."""
    lists = lists or WordLists()
    words = split_words(text)
    scores = quality.measure_quality(text, words) | repetition.measure_repetition(text, words)
    scores |= c4.measure_c4(text, filters.c4 or c4.C4Config(), lists.bad_words)
    scores |= fineweb.measure_fineweb(text, words)
    return scores | obelics.measure_obelics(text, flagged_words=lists.flagged_words, common_words=lists.common_words)


def measure_page(page: Page, recipe: Recipe, lists: WordLists | None = None) -> Scores:
    """Measure a page for every page filter, also those that the recipe leaves off, so that it can be decided again.

    The text is `page_text`: all text blocks. `page.language` and a `language_score` among the page's scores are
    taken when they are there (the extractor's), else detected. Adds `images`, the count of image blocks.
    """
    text = page_text(page.blocks)
    scores = measure_text(text, recipe.filters, lists)
    config = recipe.filters.language or language.LanguageConfig()
    if page.language is not None and "language_score" in page.scores:
        scores |= language.language_scores(page.language, page.scores["language_score"], config)
    else:
        scores |= language.language_scores(*language.measure_language(text), config)
    scores["images"] = float(sum(block.image is not None for block in page.blocks))
    return scores


def _text_rules(filters: Filters, name: str) -> tuple[Rule, ...]:
    modules = {
        "language": language.rules,
        "repetition": repetition.rules,
        "quality": quality.rules,
        "c4": c4.rules,
        "fineweb": fineweb.rules,
        "obelics": obelics.rules,
    }
    config = getattr(filters, name)
    return () if config is None else _active(modules[name](config))  # type: ignore[operator]


def _active(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    return tuple(rule for rule in rules if rule.minimum is not None or rule.maximum is not None)


def page_rules(recipe: Recipe) -> tuple[Rule, ...]:
    """Return the rules for a page's text, in the recipe's order."""
    return tuple(rule for name in recipe.filters.order for rule in _text_rules(recipe.filters, name))


def image_count_rules(recipe: Recipe) -> tuple[Rule, ...]:
    """Return the rules on how many images a page has left (score `images`): applied after images were filtered."""
    return _active(
        (
            Rule(reason="no_image", score="images", minimum=recipe.images.min_per_page),
            Rule(reason="too_many_images", score="images", maximum=recipe.images.max_per_page),
        )
    )


def measure_pair(
    pair: Pair,
    recipe: Recipe,
    *,
    text_images: int | None = None,
    image_texts: int | None = None,
    token_counts: Mapping[str, int] | None = None,
) -> Scores:
    """Measure a pair's text: language, ALIGN's measures, and the words of its image's URL."""
    config = recipe.filters.language or language.LanguageConfig()
    scores = language.language_scores(*language.measure_language(pair.text), config)
    scores |= captions.measure_caption(
        pair.text, text_images=text_images, image_texts=image_texts, token_counts=token_counts
    )
    return scores | images.measure_url(pair.image_url)


def pair_rules(recipe: Recipe) -> tuple[Rule, ...]:
    """Return the rules for a pair's text, the cheap ones first; its image has `image_rules`."""
    filters = recipe.filters
    rules: list[Rule] = []
    if filters.captions is not None:
        rules.extend(captions.rules(filters.captions))
    if filters.language is not None:
        rules.extend(language.rules(filters.language))
    return _active(rules)


def image_url_rules(recipe: Recipe) -> tuple[Rule, ...]:
    """Return the rules for an image occurrence that need no fetch."""
    return _active(images.url_rules(recipe.filters.images))


def image_rules(recipe: Recipe) -> tuple[Rule, ...]:
    """Return all rules for an image occurrence, those that need no fetch first, opt-outs included."""
    return _active(images.rules(recipe.filters.images))


def word_list(lines: Iterable[str]) -> Collection[str]:
    """Return the words of a list, one a line, lower case; lines that start with # are comments."""
    return frozenset(line.strip().lower() for line in lines if line.strip() and not line.startswith("#"))
