"""Image-text pairs (ALIGN and its successors): images with their alt texts, with scores and a head."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from corpusloom.pipelines.extract.caption_cleaning import CleanCaption, clean_caption
from corpusloom.pipelines.extract.reading.licenses import of_headers as license_of_headers
from corpusloom.pipelines.filters.language import measure_language, measure_short_language
from corpusloom.pipelines.filters.pairs.align_captions import CaptionConfig, text_key, token_keys
from corpusloom.pipelines.filters.pairs.entries import entry_keys
from corpusloom.pipelines.net.permissions.licenses import license_refusal
from corpusloom.pipelines.net.permissions.opt_outs import opt_out, signals_of_headers, signals_of_html
from corpusloom.pipelines.recipes.deciding import counts_hypernyms, pair_rules
from corpusloom.pipelines.recipes.measuring import entries_of, measure_pair
from corpusloom.pipelines.recipes.recipe import Candidates, Recipe
from corpusloom.pipelines.recipes.rewriting import rewrite
from corpusloom.pipelines.stages.image_columns import wanted_hash
from corpusloom.pipelines.stages.kinds.record_kind import MakeSample, RecordAndHead, RecordKind, record_key
from corpusloom.pipelines.stages.select.steps import pair_steps
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.pipelines.store.warc.responses import HtmlResponse
from corpusloom.schemas import identity
from corpusloom.schemas.records import Head, ImageRef, Pair
from corpusloom.schemas.verdicts import Rejected

if TYPE_CHECKING:  # imported slowly, and needed only where HTML is parsed
    from corpusloom.pipelines.extract.alt_texts import PageImages
    from corpusloom.pipelines.extract.page_task import PageTask

NO_TEXT = CleanCaption("")
"""Text of an image that a recipe keeps without one."""


def make_pairs(
    warc_page: HtmlResponse, found: "PageImages", recipe: Recipe, ledger: Ledger
) -> list[RecordAndHead] | Rejected:
    """Return a pair per image and text of a page, or the opt-out or licence that forbids them.

    A text of which cleaning leaves nothing is recorded in the ledger as a rejected pair.
    """
    signals = (
        *signals_of_headers(warc_page.headers, seen_at=warc_page.fetched_at),
        *signals_of_html(warc_page.body, seen_at=warc_page.fetched_at),
    )
    license_name = found.license or license_of_headers(warc_page.headers)
    refused = (
        opt_out(signals, recipe.honour.signals, unit="page")
        or opt_out(signals, recipe.honour.signals, unit="image")
        or license_refusal(license_name, recipe.honour.licenses)
    )
    if refused is not None:
        return refused
    made: dict[str, tuple[Pair, Head]] = {}
    parent = record_key(warc_page)
    page_language = measure_language(found.sample)[0] if _judges_by_page(recipe) and found.sample else None
    for image in found.images:
        for source, cleaned in texts_of(image, found, recipe.candidates):
            if cleaned.reason is not None:
                key = identity.pair_key(image.url, source)
                ledger.record(Rejected(cleaned.reason), unit="pair", key=key, parent=parent, url=image.url)
                continue
            pair, head = make_pair(
                image.url, cleaned, source, parent, warc_page.url, recipe, license_name, page_language=page_language
            )
            made.setdefault(pair.key, (pair, head))
    return list(made.values())


def texts_of(image: ImageRef, page: "PageImages", candidates: Candidates) -> list[tuple[str, CleanCaption]]:
    """Return (source, cleaned text) of each source for which an image has a text, in the order of `candidates.texts`.

    If no text is needed and none is left after cleaning, the last is an empty one of no source.
    """
    texts = {
        "alt_text": image.alt_text,
        "caption": image.caption,
        "title": image.title,
        "image_title": image.image_title,
        "surrounding": page.surroundings.get(image.url),
        "page_title": page.title,
    }
    found = [(source, clean_caption(texts[source])) for source in candidates.texts]
    told = [(source, cleaned) for source, cleaned in found if cleaned.reason != "no_caption"]
    has_text = candidates.need_text or any(cleaned.text for _, cleaned in told)
    return told if has_text else [*told, ("", NO_TEXT)]


def make_pair(
    image_url: str,
    cleaned: CleanCaption,
    source: str,
    parent: str,
    page_url: str,
    recipe: Recipe,
    license_name: str | None = None,
    columns: Mapping[str, str] = MappingProxyType({}),
    page_language: str | None = None,
) -> tuple[Pair, Head]:
    """Return the pair of an image URL and a text with its scores, and its head.

    The licence and `page_language` are those of the page; `columns` are further ones of the row of a list. A hash among
    them that the image must have is part of the key: of two rows that differ in it, one is right.
    """
    key, digest = identity.pair_key(image_url, cleaned.text), wanted_hash(columns, recipe.images)
    pair = Pair(
        key=key if digest is None else identity.make_key("pair", key, digest),
        parent=parent,
        page_url=page_url,
        page_language=page_language,
        image_url=image_url,
        text=cleaned.text,
        text_source=source,
        cleaned=cleaned.removed,
        columns=dict(columns),
        license=license_name,
    )
    return remake_pair(pair, recipe)


def remake_pair(pair: Pair, recipe: Recipe) -> tuple[Pair, Head]:
    """Return a pair with its language and scores, and its head.

    Rules judge the text before names in it are replaced. The key stays that of the original text.
    """
    source = pair.original or pair.text
    rewritten = rewrite(source, recipe)
    text, by_page = rewritten.measured, _judges_by_page(recipe)
    language, score = measure_short_language(text, pair.page_language) if by_page else measure_language(text)
    judged = replace(pair, text=text, language=language, scores={"language_score": score})
    found, list_language = entries_of(text, language, recipe)
    pair = replace(
        judged,
        text=rewritten.text,
        original=None if rewritten.text == source else source,
        scores=measure_pair(judged, recipe, found) | rewritten.scores,
    )
    captions, entries = recipe.filters.captions or CaptionConfig(), recipe.filters.entries
    is_balanced = entries is not None and entries.max_pairs is not None
    head = Head(
        unit="pair",
        key=pair.key,
        parent=pair.parent,
        url=pair.image_url,
        rank=identity.make_key("rank", pair.page_url),
        text_key=text_key(judged.text, fold_case=captions.fold_case),
        image_key=identity.image_key(pair.image_url),
        images=(pair.image_url,),
        tokens=token_keys(judged.text, captions.token_unit) if captions.counts_tokens else (),
        entries=(
            *(entry_keys(found, list_language) if is_balanced else ()),
            *(entry_keys(rewritten.hypernyms, "hypernym") if counts_hypernyms(recipe) else ()),
        ),
        scores=pair.scores,
    )
    return pair, head


def _judges_by_page(recipe: Recipe) -> bool:
    return recipe.filters.language is not None and recipe.filters.language.short_texts == "page"


def texts_of_pair(pair: Pair, _: Recipe) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the image URL of a pair with its text."""
    yield pair.image_url, (pair.text,)


def _parser(recipe: Recipe) -> "PageTask[PageImages]":
    from corpusloom.pipelines.extract import page_task

    if "surrounding" in recipe.candidates.texts:
        return page_task.extract_page_images_with_surroundings
    return page_task.extract_page_images


def _sampler() -> MakeSample[Pair]:
    from corpusloom.pipelines.stages.shard_records import pair_to_sample

    return pair_to_sample


PAIRS = RecordKind(
    name="pairs",
    unit="pair",
    command="pairs",
    record=Pair,
    parser=_parser,
    make=make_pairs,
    remake=remake_pair,
    rules=pair_rules,
    steps=pair_steps,
    sampler=_sampler,
    texts=texts_of_pair,
    takes_lists=True,
)
"""Pairs of an image and a text, one per image and text of an HTML page or per row of a list."""
