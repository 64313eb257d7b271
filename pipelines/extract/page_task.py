"""Tasks of a worker pool: extract one page's blocks, or its images alone."""

from typing import NamedTuple, Protocol, TypeVar

from corpusloom.pipelines.extract.alt_texts import PageImages, extract_images
from corpusloom.pipelines.extract.extractor import extract
from corpusloom.pipelines.extract.reading.types import ExtractConfig, Extracted
from corpusloom.schemas.verdicts import Dead, Rejected

_DEFAULT = ExtractConfig()
_WITH_SURROUNDINGS = ExtractConfig(surroundings=True)
_Parsed_co = TypeVar("_Parsed_co", covariant=True)


class HtmlPage(NamedTuple):
    """One fetched page."""

    html: bytes
    """Bytes of the body, without transfer encoding or compression."""
    url: str
    """URL after redirects."""
    content_type: str | None = None
    """Value of the HTTP header."""


class PageTask(Protocol[_Parsed_co]):
    """An importable function that reads one page and must not raise."""

    def __call__(self, page: HtmlPage, /) -> _Parsed_co | Rejected | Dead:
        """Return the page's contents, or a verdict."""


def html_bytes(page: HtmlPage) -> int:
    """Return the number of bytes of a page's body, its cost in the pool's chunks."""
    return len(page.html)


def extract_page(page: HtmlPage, *, config: ExtractConfig = _DEFAULT) -> Extracted | Rejected | Dead:
    """Extract the blocks of a page."""
    return extract(page.html, page.url, content_type=page.content_type, config=config)


def extract_page_images(page: HtmlPage, *, config: ExtractConfig = _DEFAULT) -> PageImages | Rejected | Dead:
    """Extract the images of a page with their texts."""
    return extract_images(page.html, page.url, content_type=page.content_type, config=config)


def extract_page_images_with_surroundings(page: HtmlPage) -> PageImages | Rejected | Dead:
    """Extract the images of a page with their texts, and the text around each."""
    return extract_page_images(page, config=_WITH_SURROUNDINGS)
