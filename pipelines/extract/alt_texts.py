"""Extracts all images of a page with their alt texts, titles and captions, for image-text pairs.

The whole page is read, not only the main content, since ALIGN (arXiv 2102.05918) uses alt texts from the whole page.
As in `extractor`, an image has one URL, and fallbacks and placeholders are left out.
"""

import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from corpusloom.pipelines.extract import extractor
from corpusloom.pipelines.extract.content.selection import is_hidden
from corpusloom.pipelines.extract.reading import image_urls, licenses, source
from corpusloom.pipelines.extract.reading.types import ExtractConfig, TextRun
from corpusloom.pipelines.extract.surroundings import surrounding_texts
from corpusloom.schemas.records import ImageRef
from corpusloom.schemas.verdicts import Dead, Rejected

_DEFAULT = ExtractConfig()
_SAMPLE = 1_200
"""Characters of a page's sample, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageImages:
    """The images of one page in document order, each URL once, and metadata of the page."""

    images: tuple[ImageRef, ...]
    sample: str = ""
    """The beginning of the page's text, without links, by which its language is detected."""
    surroundings: dict[str, str] = field(default_factory=dict)
    """Image URL -> the text around the image; only if `config.surroundings`."""
    title: str | None = None
    canonical_link: str | None = None
    license: str | None = None
    charset: str = "utf-8"
    truncated: bool = False


def extract_images(
    html: bytes, url: str, *, content_type: str | None = None, config: ExtractConfig = _DEFAULT
) -> PageImages | Rejected | Dead:
    """Return the images of a page, or Rejected (empty_page, not_html, no_images), or Dead for a bug; never raise."""
    try:
        return _extract_images(html, url, content_type, config)
    except Exception as error:  # hostile bytes must end as a verdict
        return Dead(type(error).__name__, str(error)[:500], traceback.format_exc()[-4000:])


def _extract_images(html: bytes, url: str, content_type: str | None, config: ExtractConfig) -> PageImages | Rejected:
    if not html.strip(b" \t\r\n\x00"):
        return Rejected("empty_page")
    if not source.looks_like_html(html):
        return Rejected("not_html")
    prepared, codec, truncated = source.prepare(html, content_type, config)
    page = extractor.walk_page(prepared, url, replace(config, main_content=False))
    found = tuple(item.image for item in page.runs if item.image is not None and not is_hidden(item))
    if not found:
        return Rejected("no_images")
    return PageImages(
        images=found,
        sample=_sample(page.runs),
        surroundings=surrounding_texts(page) if config.surroundings else {},
        title=page.title or None,
        canonical_link=image_urls.absolute(page.canonical, page.base) if page.canonical else None,
        license=licenses.of_page(page.licenses, page.metas, page.json_ld),
        charset=codec,
        truncated=truncated or page.truncated,
    )


def _sample(runs: Iterable[TextRun]) -> str:
    """Return the beginning of the texts that are not mostly links."""
    parts: list[str] = []
    missing = _SAMPLE
    for run in runs:
        if run.image is None and 2 * run.link_chars < len(run.text):
            parts.append(run.text[:missing])
            missing -= len(run.text)
            if missing <= 0:
                break
    return " ".join(parts)
