"""Measures pages, pairs and images by all filters of a recipe, also those that are off.

`drop_blocks` removes boilerplate and bad paragraphs of a page, `measure_page` measures the rest; `edit_blocks` removes
bad lines and masks personal data if the page is kept.
"""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from corpusloom.pipelines.dedup import exact, frequency, minhash
from corpusloom.pipelines.filters import (
    boilerplate,
    c4,
    image_rules,
    language,
    obelics,
    pii,
)
from corpusloom.pipelines.filters.boilerplate import DroppedBlock
from corpusloom.pipelines.filters.pairs import align_captions, columns, entries, entry_matching, sites, templates
from corpusloom.pipelines.filters.pairs.entry_matching import EntryMatcher, read_entries
from corpusloom.pipelines.filters.pairs.sites import SitesConfig
from corpusloom.pipelines.filters.text import ngrams, scripts, text_filter, words
from corpusloom.pipelines.filters.text.text_filter import Text, WordLists
from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.recipes.rewriting import rewrite, rewritten_by
from corpusloom.pipelines.recipes.rules import FilterSet, registered
from corpusloom.pipelines.recipes.word_lists import list_hashes, load_word_lists
from corpusloom.schemas.config import is_threshold
from corpusloom.schemas.records import Block, Page, Pair
from corpusloom.schemas.verdicts import Rejected, Scores

VERSION = 3
SAMPLE = "The old boat was seen near the river. We saw it there.\nAnd then it was gone again."
_ENGLISH: dict[str, Any] = {"language": "en", "scores": {"language_score": 1.0}}
PARAGRAPH_KINDS = ("paragraph", "other")
"""Kinds of block that the rules for paragraphs and lines judge; headings and lists are not sentences."""

measure_image = image_rules.measure_image


def page_text(blocks: Iterable[Block]) -> str:
    """Return the text that page filters measure: all text blocks, also headings and captions, joined by blank lines."""
    return "\n\n".join(block.text for block in blocks if block.text is not None)


def drop_blocks(
    blocks: Sequence[Block], recipe: Recipe, lists: WordLists | None = None
) -> tuple[tuple[Block, ...], tuple[DroppedBlock, ...]]:
    """Split a page's blocks into kept and dropped ones: boilerplate, foreign ones, paragraphs that OBELICS rejects."""
    filters = recipe.filters
    dropped: dict[int, DroppedBlock] = {}
    if filters.boilerplate is not None:
        dropped.update((item.index, item) for item in boilerplate.boilerplate_blocks(blocks, filters.boilerplate))
    if filters.language is not None and filters.language.drop_foreign_blocks:
        wanted = filters.language.languages
        for index, block in enumerate(blocks):
            if index in dropped or block.text is None or block.kind == "code":
                continue
            if language.is_foreign(block.text, wanted):
                dropped[index] = DroppedBlock(index, "foreign_language", float(len(block.text.split())))
    if filters.obelics is not None:
        for index, block in enumerate(blocks):
            if index in dropped or block.text is None or block.kind not in PARAGRAPH_KINDS:
                continue
            verdict = obelics.paragraph(block.text, filters.obelics, lists)
            if isinstance(verdict, Rejected):
                dropped[index] = DroppedBlock(index, f"paragraph_{verdict.reason}", verdict.measured or 0.0)
    kept = tuple(block for index, block in enumerate(blocks) if index not in dropped)
    return kept, tuple(dropped[index] for index in sorted(dropped))


def edit_blocks(blocks: Sequence[Block], recipe: Recipe) -> tuple[Block, ...]:
    """Return a kept page's blocks for writing: without the lines that C4 drops, and with personal data masked."""
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


def measure_text(text: Text, filters: FilterSet) -> Scores:
    """Measure a text by every text filter; one that the recipe leaves out uses its default settings."""
    scores: Scores = {}
    for item in registered(filters):
        scores |= item.module.measure(text, item.config)
    return scores


def _known_language(record: Page | Pair) -> tuple[str, float] | None:
    """Return the language and the language score that a record carries from extraction, or None."""
    if record.language is None or "language_score" not in record.scores:
        return None
    return record.language, record.scores["language_score"]


def measure_page(page: Page, recipe: Recipe, lists: WordLists | None = None) -> Scores:
    """Measure a page by every text filter, also those that are off, so that a changed recipe can decide again.

    The text is `page_text` of its blocks. The language is detected unless the page carries one with a
    `language_score` from extraction. The score `images` is the number of image blocks.
    """
    text = Text(page_text(page.blocks), lists or WordLists(), _known_language(page))
    images = sum(block.image is not None for block in page.blocks)
    return {**measure_text(text, recipe.filters), "images": float(images)}


def measure_pair(pair: Pair, recipe: Recipe, found: Sequence[str] = ()) -> Scores:
    """Measure a pair: ALIGN's scores, templates, language and entries of its text, its site, its image's URL.

    `found` are the entries of its text, as `entries_of` returns them.
    """
    wanted = _wanted_languages(recipe)
    code, score = _known_language(pair) or language.measure_language(pair.text)
    return {
        **align_captions.measure_caption(pair.text, unit=_token_unit(recipe), known=load_word_lists(recipe).tokens),
        **language.language_scores(code, score, wanted),
        **image_rules.measure_url(pair.image_url),
        **columns.column_scores(pair.columns),
        **templates.measure_templates(pair.text),
        **({} if recipe.filters.entries is None else entries.measure_entries(found)),
        **_site_scores(pair, recipe),
    }


def _token_unit(recipe: Recipe) -> str:
    return (recipe.filters.captions or align_captions.CaptionConfig()).token_unit


def _site_scores(pair: Pair, recipe: Recipe) -> Scores:
    config = recipe.filters.sites
    return {} if config is None else sites.measure_site(pair.page_url, pair.image_url, _sites(config))


def load_sites(recipe: Recipe) -> frozenset[str]:
    """Return the hosts of a recipe's list of sites, read once per process; a rule without a list is a ConfigError."""
    return frozenset() if recipe.filters.sites is None else _sites(recipe.filters.sites)


@lru_cache(maxsize=4)
def _sites(config: SitesConfig) -> frozenset[str]:
    return sites.read_sites(config)


def _wanted_languages(recipe: Recipe) -> tuple[str, ...]:
    return recipe.filters.language.languages if recipe.filters.language is not None else ()


def entries_of(text: str, language_code: str, recipe: Recipe) -> tuple[tuple[str, ...], str]:
    """Return the entries of a recipe's metadata that a text has, and the language of the list, empty for one list."""
    if recipe.filters.entries is None:
        return (), ""
    matchers = load_entries(recipe)
    code = language_code if "" not in matchers else ""
    return (matchers[code].find(text) if code in matchers else ()), code


def load_entries(recipe: Recipe) -> Mapping[str, EntryMatcher]:
    """Return language -> its entries, read once per process; no list is a ConfigError, a missing file an InputError."""
    config = recipe.filters.entries
    return {} if config is None else _matchers(tuple(config.paths(_wanted_languages(recipe)).items()))


@lru_cache(maxsize=4)
def _matchers(paths: tuple[tuple[str, str], ...]) -> Mapping[str, EntryMatcher]:
    return {language: EntryMatcher(read_entries(path)) for language, path in paths}


def _entry_settings(recipe: Recipe) -> dict[str, Any] | None:
    """Return the values of the entries that change scores and heads of pairs."""
    config = recipe.filters.entries
    if config is None:
        return None
    lists = {
        language: hashlib.sha256("\n".join(matcher.entries).encode()).hexdigest()
        for language, matcher in load_entries(recipe).items()
    }
    versions = [entries.VERSION, entry_matching.VERSION]
    return {"versions": versions, "lists": lists, "heads": config.max_pairs is not None}


def measured_names(recipe: Recipe) -> frozenset[str]:
    """Return the names of the scores that a recipe measures, found by measuring a short English sample."""
    if recipe.kind != "interleaved":
        pair = Pair(key="", parent="", page_url="", image_url="", text=SAMPLE, text_source="", **_ENGLISH)
        return frozenset((*measure_pair(pair, recipe), *rewrite(SAMPLE, recipe).scores))
    blocks = (Block(kind="paragraph", text=SAMPLE),)
    page = Page(key="", url="", canonical_url="", fetched_at="", blocks=blocks, **_ENGLISH)
    return frozenset(measure_page(page, recipe, load_word_lists(recipe)))


def _settings(config: Any) -> dict[str, Any]:
    """Return the values of a configuration that change scores: its settings, and thresholds marked `measured`."""
    items = [item for item in dataclasses.fields(config) if item.metadata.get("measured") or not is_threshold(item)]
    return {
        item.name: _settings(value) if dataclasses.is_dataclass(value) else value
        for item in items
        for value in (getattr(config, item.name),)
    }


def read_by(recipe: Recipe) -> dict[str, Any]:
    """Return the values of a recipe that change the blocks of stored records; if one changes, WARCs are read again."""
    filters, lists = recipe.filters, list_hashes(load_word_lists(recipe))
    shaped: dict[str, Any] = {
        "version": VERSION,
        "kind": recipe.kind,
        "signals": sorted(recipe.honour.signals),
        "licenses": sorted(recipe.honour.licenses),
    }
    if recipe.kind == "pairs":
        shaped["texts"] = list(recipe.candidates.texts)
        shaped |= {} if recipe.candidates.need_text else {"need_text": False}
        shaped |= {"hash": recipe.images.verify_hash} if recipe.images.verify_hash else {}
        shaped |= {"faces": recipe.images.face_boxes} if recipe.images.face_boxes else {}
        if filters.language is not None and filters.language.short_texts == "page":
            shaped["page_language"] = language.VERSION
    if filters.boilerplate is not None:
        shaped["boilerplate"] = [boilerplate.VERSION, dataclasses.asdict(filters.boilerplate)]
    if filters.language is not None and filters.language.drop_foreign_blocks:
        shaped["languages"] = [language.VERSION, list(filters.language.languages)]
    if filters.obelics is not None:
        rules = {**dataclasses.asdict(filters.obelics), "page": None}
        shaped["paragraphs"] = [
            obelics.VERSION,
            words.VERSION,
            ngrams.VERSION,
            rules,
            lists["flagged_words"],
            lists["common_words"],
        ]
    return shaped


def measured_by(recipe: Recipe) -> dict[str, Any]:
    """Return the values of a recipe that change scores and heads; if one changes, stored records are measured again."""
    modules = {"words": words, "ngrams": ngrams, "text": text_filter, "exact": exact}
    shared = {"measuring": VERSION, **{name: module.VERSION for name, module in modules.items()}}
    if recipe.kind != "interleaved":
        filters = {
            "captions": align_captions,
            "columns": columns,
            "language": language,
            "images": image_rules,
            "templates": templates,
        }
        captions = recipe.filters.captions or align_captions.CaptionConfig()
        return {
            "shared": shared,
            "scores": sorted(measured_names(recipe)),
            "filters": {name: module.VERSION for name, module in filters.items()},
            "languages": list(_wanted_languages(recipe)),
            "short_texts": recipe.filters.language.short_texts if recipe.filters.language is not None else None,
            "scripts": scripts.VERSION,
            "entries": _entry_settings(recipe),
            "rewritten": rewritten_by(recipe),
            "sites": None if recipe.filters.sites is None else [sites.VERSION, sorted(load_sites(recipe))],
            "captions": {**_settings(captions), "tokens": captions.counts_tokens},
            "lists": {"tokens": list_hashes(load_word_lists(recipe))["tokens"]},
        }
    dedup = recipe.dedup
    return {
        "shared": shared,
        "scores": sorted(measured_names(recipe)),
        "filters": {
            item.name: [item.module.VERSION, _settings(item.config or item.defaults)]
            for item in registered(recipe.filters)
        },
        "lists": list_hashes(load_word_lists(recipe)),
        "minhash": None if dedup.minhash is None else [minhash.VERSION, dataclasses.asdict(dedup.minhash)],
        "text": [dedup.exact_text or "strict", dedup.scope],
        "paragraphs": None if dedup.max_domain_paragraph is None else frequency.VERSION,
    }
