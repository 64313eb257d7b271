"""Extracts a page: HTML bytes -> blocks of text and image in reading order, or a verdict."""

import traceback
from collections.abc import Sequence

from corpusloom.pipelines.extract.content import assembly, selection
from corpusloom.pipelines.extract.reading import image_urls, licenses, source, structured, texts
from corpusloom.pipelines.extract.reading.fast_walk.walk import fast_walk
from corpusloom.pipelines.extract.reading.reference_walk.walk import reference_walk
from corpusloom.pipelines.extract.reading.types import ExtractConfig, Extracted, RawPage, TextRun
from corpusloom.schemas.records import Block, ImageRef
from corpusloom.schemas.verdicts import Dead, Rejected

_DEFAULT = ExtractConfig()
_FEW_CHARS = 200
"""With fewer characters of main content than this, the page's structured data is read too."""


def extract(
    html: bytes, url: str, *, content_type: str | None = None, config: ExtractConfig = _DEFAULT
) -> Extracted | Rejected | Dead:
    """Extract one page; return Extracted, Rejected for bytes without a page, or Dead for a bug; never raise.

    Reasons: empty_page (no bytes), not_html (another format), frameset, no_content (neither text nor image is left).
    `url` is the page's final URL, against which image URLs are resolved unless the page has a `base`.
    """
    try:
        return _extract(html, url, content_type, config)
    except Exception as error:  # hostile bytes must end as a verdict
        return Dead(type(error).__name__, str(error)[:500], traceback.format_exc()[-4000:])


def _extract(html: bytes, url: str, content_type: str | None, config: ExtractConfig) -> Extracted | Rejected:
    if not html.strip(b" \t\r\n\x00"):
        return Rejected("empty_page")
    if not source.looks_like_html(html):
        return Rejected("not_html")
    prepared, codec, truncated = source.prepare(html, content_type, config)
    page = walk_page(prepared, url, config)
    runs = assembly.join_rows(page)
    reasons = selection.choose(page, runs, config) if runs else []
    kept = [run for run, reason in zip(runs, reasons, strict=True) if reason is None]
    blocks = assembly.blocks_of(kept, page.tables) + _from_structured_data(page, kept, config)
    if not blocks:
        return Rejected("frameset" if page.frameset else "no_content")
    return Extracted(
        title=page.title or _text(page.metas.get("og:title")),
        blocks=blocks,
        meta_images=meta_images(page),
        canonical_link=image_urls.absolute(page.canonical, page.base) if page.canonical else None,
        license=licenses.of_page(page.licenses, page.metas, page.json_ld),
        charset=codec,
        truncated=truncated or page.truncated,
        dropped=_dropped(runs, reasons) if config.keep_dropped else (),
    )


def walk_page(prepared: bytes, url: str, config: ExtractConfig) -> RawPage:
    """Walk a page by the configured walk; if the fast walk raises, by the reference walk."""
    if config.walk == "fast":
        try:
            return fast_walk(prepared, url, config)
        except Exception:  # noqa: S110 - a bug in the fast walk; the reference walk shares no state with it
            pass
    return reference_walk(prepared, url, config)


def _from_structured_data(page: RawPage, kept: Sequence[TextRun], config: ExtractConfig) -> tuple[Block, ...]:
    """Return the main text of the JSON-LD if the page itself shows fewer than `_FEW_CHARS` characters."""
    shown = sum(len(run.text) for run in kept)
    if not (config.structured_data and page.json_ld) or shown >= _FEW_CHARS:
        return ()
    paragraphs = structured.main_text(page.json_ld)
    if sum(map(len, paragraphs)) < _FEW_CHARS:
        return ()
    known = " ".join(run.text for run in kept)
    return tuple(Block(kind="paragraph", text=text) for text in paragraphs if text not in known)


def _dropped(runs: Sequence[TextRun], reasons: Sequence[str | None]) -> tuple[tuple[Block, str], ...]:
    return tuple(
        (assembly.single(run), reason) for run, reason in zip(runs, reasons, strict=True) if reason is not None
    )


def meta_images(page: RawPage) -> tuple[ImageRef, ...]:
    """Return the images in the page's metadata, each URL once."""
    found: dict[str, ImageRef] = {}
    named = [*page.meta_images, *((value, "json_ld") for value in structured.image_urls(page.json_ld))]
    for value, name in named:
        url = image_urls.absolute(value, page.base)
        if url and url not in found:
            alt_text = page.metas.get("og:image:alt") if name.startswith("og:") else None
            found[url] = ImageRef(url=url, alt_text=_text(alt_text), source=name)
    return tuple(found.values())


def _text(value: str | None) -> str | None:
    return (texts.inline(value) or None) if value else None
