"""Interleaved pages (M3W): texts and images of a web page in reading order, with scores and a head."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from corpusloom.pipelines.dedup.exact import image_set_key, text_key
from corpusloom.pipelines.dedup.frequency import paragraph_keys
from corpusloom.pipelines.dedup.minhash import text_band_keys
from corpusloom.pipelines.extract.reading.licenses import of_headers as license_of_headers
from corpusloom.pipelines.extract.reading.types import Extracted
from corpusloom.pipelines.filters.language import measure_language
from corpusloom.pipelines.filters.text.words import sentence_spans
from corpusloom.pipelines.net.permissions.licenses import license_refusal
from corpusloom.pipelines.net.permissions.opt_outs import opt_out, signals_of_headers, signals_of_html
from corpusloom.pipelines.recipes.deciding import select_rules
from corpusloom.pipelines.recipes.measuring import drop_blocks, edit_blocks, measure_page, page_text
from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.recipes.word_lists import load_word_lists
from corpusloom.pipelines.stages.kinds.record_kind import MakeSample, RecordAndHead, RecordKind, record_key
from corpusloom.pipelines.stages.select.steps import page_steps
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.pipelines.store.warc.responses import HtmlResponse
from corpusloom.schemas import identity
from corpusloom.schemas.records import Head, Page
from corpusloom.schemas.verdicts import Rejected

if TYPE_CHECKING:  # imported slowly, and needed only where HTML is parsed
    from corpusloom.pipelines.extract.page_task import PageTask


def page_identity(url: str, canonical_link: str | None) -> str:
    """Return the URL that identifies a page: its canonical link, if of the same domain and not a root."""
    own = identity.canonical_url(url)
    if not canonical_link:
        return own
    link = identity.canonical_url(canonical_link)
    same = identity.registered_domain(identity.host_of(link)) == identity.registered_domain(identity.host_of(own))
    is_root = link.rstrip("/").count("/") < 3
    return link if same and not is_root else own


def make_page(
    warc_page: HtmlResponse, extracted: Extracted, recipe: Recipe, ledger: Ledger
) -> list[RecordAndHead] | Rejected:
    """Return the page with its head, or the opt-out or licence that forbids it; the ledger stays as it is."""
    signals = (
        *signals_of_headers(warc_page.headers, seen_at=warc_page.fetched_at),
        *signals_of_html(warc_page.body, seen_at=warc_page.fetched_at),
    )
    license_name = extracted.license or license_of_headers(warc_page.headers)
    refused = opt_out(signals, recipe.honour.signals, unit="page") or license_refusal(
        license_name, recipe.honour.licenses
    )
    if refused is not None:
        return refused
    blocks = extracted.blocks
    if opt_out(signals, recipe.honour.signals, unit="image") is not None:
        blocks = tuple(block for block in blocks if block.image is None)
    blocks, _ = drop_blocks(blocks, recipe, load_word_lists(recipe))
    canonical = page_identity(warc_page.url, extracted.canonical_link)
    page = Page(
        key=identity.page_key(canonical),
        parent=record_key(warc_page),
        url=warc_page.url,
        canonical_url=canonical,
        fetched_at=warc_page.fetched_at,
        title=extracted.title,
        blocks=blocks,
        meta_images=extracted.meta_images,
        signals=signals,
        license=license_name,
    )
    return [remake_page(page, recipe)]


def remake_page(page: Page, recipe: Recipe) -> tuple[Page, Head]:
    """Return a page with its language and scores, and its head."""
    page = measure(page, recipe)
    return page, page_head(page, recipe)


def measure(page: Page, recipe: Recipe) -> Page:
    """Return a page with its language and all scores."""
    language, score = measure_language(page_text(page.blocks))
    page = replace(page, language=language, scores={"language_score": score})
    return replace(page, scores=measure_page(page, recipe, load_word_lists(recipe)))


def page_head(page: Page, recipe: Recipe) -> Head:
    """Return a page's head.

    Its rank prefers the latest page, then one in fewer other languages, then more images, then more text, then a
    shorter URL.
    """
    images = tuple(block.image.url for block in page.blocks if block.image is not None)
    text, dedup = page_text(page.blocks), recipe.dedup
    scope = f"{page.fetched_at[:7]} " if dedup.scope == "crawl" else ""
    latest = "".join(f"{9 - int(digit)}" for digit in page.fetched_at if digit.isdigit()).ljust(20, "9")
    mixture = f"{round(10 * (1 - page.scores.get('language_share', 0.0))):02d}"
    size = f"{99_999 - len(images):05d}|{99_999_999 - len(text):08d}"
    return Head(
        unit="page",
        key=page.key,
        parent=page.parent,
        url=page.url,
        rank=f"{latest}|{mixture}|{size}|{len(page.canonical_url):06d}",
        mixture=mixture,
        text_key=scope + text_key(text, dedup.exact_text or "strict"),
        image_key=image_set_key(images),
        images=images,
        bands=tuple(scope + band.hex() for band in text_band_keys(text, dedup.minhash)) if dedup.minhash else (),
        paragraphs=tuple(paragraph_keys(page)) if dedup.max_domain_paragraph is not None else (),
        scores=page.scores,
    )


def texts_of_page(page: Page, recipe: Recipe) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the URL of each image of a page with all sentences of the page as it is written, equal ones once."""
    texts = (block.text for block in edit_blocks(page.blocks, recipe) if block.text is not None)
    sentences = tuple(dict.fromkeys(text[start:end] for text in texts for start, end in sentence_spans(text)))
    for url in dict.fromkeys(block.image.url for block in page.blocks if block.image is not None):
        yield url, sentences


def _parser(_recipe: Recipe) -> "PageTask[Extracted]":
    from corpusloom.pipelines.extract.page_task import extract_page

    return extract_page


def _sampler() -> MakeSample[Page]:
    from corpusloom.pipelines.stages.shard_records import page_sample

    return page_sample


PAGES = RecordKind(
    name="interleaved",
    unit="page",
    command="pages",
    record=Page,
    parser=_parser,
    make=make_page,
    remake=remake_page,
    rules=select_rules,
    steps=page_steps,
    sampler=_sampler,
    texts=texts_of_page,
)
"""Interleaved pages, one per HTML page of a WARC."""
