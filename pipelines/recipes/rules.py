"""A recipe's filters together: measure a page, a pair or an image once, decide from the scores alone.

A page goes through `drop_blocks` (boilerplate, bad paragraphs), `measure_page` and `page_rules`, and, when kept,
through `edit_blocks` (bad lines, masks). Its images have `measure_image` and `image_rules`, and what is left of
them `image_count_rules`.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from corpusloom.pipelines.filters import (
    align_captions,
    boilerplate,
    c4,
    explicit,
    fineweb,
    gopher_quality,
    gopher_repetition,
    language,
    obelics,
    pii,
)
from corpusloom.pipelines.filters import image_rules as images
from corpusloom.pipelines.filters.boilerplate import DroppedBlock
from corpusloom.pipelines.filters.words import split_words
from corpusloom.pipelines.recipes.recipe import Filters, Recipe, WordListPaths
from corpusloom.schemas import storage
from corpusloom.schemas.records import Block, Page, Pair
from corpusloom.schemas.verdicts import Rejected, Rule, Scores, decide

measure_image = images.measure_image

PARAGRAPH_KINDS = ("paragraph", "other")
"""Kinds of block that rules for paragraphs and lines judge: a heading or a list is no sentence."""

_TEXT_RULES: dict[str, Callable[..., tuple[Rule, ...]]] = {
    "language": language.rules,
    "explicit": explicit.rules,
    "repetition": gopher_repetition.rules,
    "quality": gopher_quality.rules,
    "c4": c4.rules,
    "fineweb": fineweb.rules,
    "obelics": obelics.rules,
}


@dataclass(frozen=True, slots=True)
class WordLists:
    """Word lists that a user gives by path; without one its score is not measured."""

    bad_words: frozenset[str] | None = None
    flagged_words: frozenset[str] | None = None
    common_words: frozenset[str] | None = None


def read_words(path: str) -> frozenset[str]:
    """Read a word list, a word a line, in lower case; lines that start with # are comments."""
    lines = storage.read_bytes(path).decode("utf-8", "replace").splitlines()
    return frozenset(line.strip().lower() for line in lines if line.strip() and not line.startswith("#"))


def load_word_lists(recipe: Recipe) -> WordLists:
    """Read the word lists that a recipe names, once a process; a missing file is an InputError."""
    return _word_lists(recipe.filters.lists)


@lru_cache(maxsize=4)
def _word_lists(paths: WordListPaths) -> WordLists:
    named = dataclasses.asdict(paths).items()
    return WordLists(**{name: None if path is None else read_words(path) for name, path in named})


def page_text(blocks: Iterable[Block]) -> str:
    """Return the text that a page's filters see: all text blocks, headings and captions too, blank lines between."""
    return "\n\n".join(block.text for block in blocks if block.text is not None)


def drop_blocks(
    blocks: Sequence[Block], recipe: Recipe, lists: WordLists | None = None
) -> tuple[tuple[Block, ...], tuple[DroppedBlock, ...]]:
    """Return the blocks that a page's text is measured on, and those that go: boilerplate, OBELICS' bad paragraphs."""
    filters, lists = recipe.filters, lists or WordLists()
    dropped: dict[int, DroppedBlock] = {}
    if filters.boilerplate is not None:
        dropped.update((item.index, item) for item in boilerplate.boilerplate_blocks(blocks, filters.boilerplate))
    if filters.obelics is not None:
        for index, block in enumerate(blocks):
            if index in dropped or block.text is None or block.kind not in PARAGRAPH_KINDS:
                continue
            verdict = obelics.paragraph(
                block.text,
                filters.obelics,
                flagged_words=lists.flagged_words,
                common_words=lists.common_words,
            )
            if isinstance(verdict, Rejected):
                dropped[index] = DroppedBlock(index, f"paragraph_{verdict.reason}", verdict.measured or 0.0)
    kept = tuple(block for index, block in enumerate(blocks) if index not in dropped)
    return kept, tuple(dropped[index] for index in sorted(dropped))


def edit_blocks(blocks: Sequence[Block], recipe: Recipe) -> tuple[Block, ...]:
    """Return a kept page's blocks as they are written: without the lines that C4 drops, personal data masked."""
    filters = recipe.filters
    edited = []
    for block in blocks:
        text = block.text
        if text is not None and filters.c4 is not None and block.kind in PARAGRAPH_KINDS:
            text = c4.clean_lines(text, filters.c4).text
        if text is not None and filters.pii is not None:
            text = pii.mask_pii(text, filters.pii).text
        if text or block.image is not None:
            edited.append(block if text == block.text else dataclasses.replace(block, text=text))
    return tuple(edited)


def measure_text(text: str, filters: Filters, lists: WordLists | None = None) -> Scores:
    """Measure a text for every text filter but language; what the recipe leaves off is measured by its defaults."""
    lists = lists or WordLists()
    words = split_words(text)
    return {
        **explicit.measure_explicit(words, lists.bad_words),
        **gopher_quality.measure_quality(text, words),
        **gopher_repetition.measure_repetition(text, words),
        **c4.measure_c4(text, filters.c4 or c4.C4Config(), lists.bad_words),
        **fineweb.measure_fineweb(text, words),
        **obelics.measure_obelics(text, words, flagged_words=lists.flagged_words, common_words=lists.common_words),
    }


def measure_page(page: Page, recipe: Recipe, lists: WordLists | None = None) -> Scores:
    """Measure a page for every page filter, also those that the recipe leaves off, so that it can be decided again.

    The text is `page_text` of its blocks. `page.language` and a `language_score` among the page's scores are
    taken when they are there (the extractor's), else detected. Adds `images`, the count of image blocks.
    """
    text = page_text(page.blocks)
    scores = measure_text(text, recipe.filters, lists)
    config = recipe.filters.language or language.LanguageConfig()
    if page.language is not None and "language_score" in page.scores:
        found = page.language, page.scores["language_score"]
    else:
        found = language.measure_language(text)
    scores |= language.language_scores(*found, config)
    scores["images"] = float(sum(block.image is not None for block in page.blocks))
    return scores


def _active(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    return tuple(rule for rule in rules if rule.minimum is not None or rule.maximum is not None)


def page_rules(recipe: Recipe) -> tuple[Rule, ...]:
    """Return the rules for a page's text, in the recipe's order."""
    configs = ((name, getattr(recipe.filters, name)) for name in recipe.filters.order)
    return _active(rule for name, config in configs if config is not None for rule in _TEXT_RULES[name](config))


def image_count_rules(recipe: Recipe) -> tuple[Rule, ...]:
    """Return the rules on how many images a page has (score `images`): after extraction and after the image rules."""
    return _active(
        (
            Rule(reason="no_image", score="images", minimum=recipe.images.min_per_page),
            Rule(reason="too_many_images", score="images", maximum=recipe.images.max_per_page),
        )
    )


def select_rules(recipe: Recipe) -> tuple[Rule, ...]:
    """Return the rules before any fetch: an image at all (Flamingo, App. A.3.1, drops pages without one), then text."""
    return (*(rule for rule in image_count_rules(recipe) if rule.minimum is not None), *page_rules(recipe))


def measure_pair(
    pair: Pair,
    recipe: Recipe,
    *,
    text_images: int | None = None,
    image_texts: int | None = None,
    token_counts: Mapping[str, int] | None = None,
) -> Scores:
    """Measure a pair's text (language, ALIGN's measures) and the words of its image's URL.

    The counts are those of the raw set (see `captions.measure_caption`); one that is None is not reached.
    """
    config = recipe.filters.language or language.LanguageConfig()
    known = {"text_images": text_images, "image_texts": image_texts}
    return {
        **align_captions.measure_caption(pair.text, **known, token_counts=token_counts),
        **language.language_scores(*language.measure_language(pair.text), config),
        **images.measure_url(pair.image_url),
    }


def pair_rules(recipe: Recipe) -> tuple[Rule, ...]:
    """Return the rules for a pair's text; its image has `image_rules`."""
    filters = recipe.filters
    caption_rules = () if filters.captions is None else align_captions.rules(filters.captions)
    return _active((*caption_rules, *(() if filters.language is None else language.rules(filters.language))))


def image_url_rules(recipe: Recipe) -> tuple[Rule, ...]:
    """Return the rules for an image occurrence that need no fetch."""
    return _active(images.url_rules(recipe.filters.images))


def image_rules(recipe: Recipe) -> tuple[Rule, ...]:
    """Return all rules for an image occurrence, those that need no fetch first."""
    return _active(images.rules(recipe.filters.images))


def is_kept(scores: Mapping[str, float | None], rules: Sequence[Rule]) -> bool:
    """Say whether scores pass all rules."""
    return not isinstance(decide(scores, rules), Rejected)
