"""HTML bytes -> blocks of text and image in reading order, or the reason why there are none. Never raises."""

import traceback
from collections.abc import Sequence

from pipelines.extract import assembly, fast, images, licenses, selection, source, texts
from pipelines.extract.blocks import Candidate, ExtractConfig, Extracted, RawPage
from schemas.records import Block, ImageRef
from schemas.verdicts import Dead, Rejected

_DEFAULT = ExtractConfig()

__all__ = ["ExtractConfig", "Extracted", "extract"]


def extract(
    html: bytes, url: str, *, content_type: str | None = None, config: ExtractConfig = _DEFAULT
) -> Extracted | Rejected | Dead:
    """Extract one page. Returns Extracted, Rejected(reason) for bytes that hold no page, or Dead for an error of ours.

    Reasons: empty_page (no bytes), not_html (another format), frameset, no_content (no text and no image is left).
    `url` is the page's final URL, against which image URLs are resolved unless the page has a `base`.
    """
    try:
        return _extract(html, url, content_type, config)
    except Exception as error:  # the promise of this function: hostile bytes end as a verdict, whatever happens
        return Dead(type(error).__name__, str(error)[:500], traceback.format_exc()[-4000:])


def _extract(html: bytes, url: str, content_type: str | None, config: ExtractConfig) -> Extracted | Rejected:
    if not html.strip(b" \t\r\n\x00"):
        return Rejected("empty_page")
    if not source.looks_like_html(html):
        return Rejected("not_html")
    prepared, codec, truncated = source.prepare(html, content_type, config)
    page = fast.walk(prepared, url, config)
    candidates = assembly.join_rows(page)
    reasons = _choose(candidates, config)
    kept = [candidate for candidate, reason in zip(candidates, reasons, strict=True) if reason is None]
    blocks = assembly.blocks_of(kept, page.tables)
    if not blocks:
        return Rejected("frameset" if page.frameset else "no_content", 0.0, 1.0)
    return Extracted(
        title=page.title or None,
        blocks=blocks,
        meta_images=meta_images(page),
        canonical_link=images.absolute(page.canonical, page.base) if page.canonical else None,
        license=licenses.of_links(page.licenses),
        charset=codec,
        truncated=truncated or page.truncated,
        tier="fast",
        dropped=_dropped(candidates, reasons) if config.keep_dropped else (),
    )


def _choose(candidates: list[Candidate], config: ExtractConfig) -> Sequence[str | None]:
    if not config.main_content:
        return ["hidden" if selection.is_hidden(candidate) else None for candidate in candidates]
    return selection.by_rules(candidates)


def _dropped(candidates: Sequence[Candidate], reasons: Sequence[str | None]) -> tuple[tuple[Block, str], ...]:
    return tuple(
        (assembly.single(candidate), reason)
        for candidate, reason in zip(candidates, reasons, strict=True)
        if reason is not None
    )


def meta_images(page: RawPage) -> tuple[ImageRef, ...]:
    """Return the images that the page's metadata names, each URL once."""
    found: dict[str, ImageRef] = {}
    for value, name in page.meta_images:
        url = images.absolute(value, page.base)
        if url and url not in found:
            found[url] = ImageRef(url=url, alt_text=_text(page.metas.get("og:image:alt")), source=name)
    return tuple(found.values())


def _text(value: str | None) -> str | None:
    return (texts.inline(value) or None) if value else None
