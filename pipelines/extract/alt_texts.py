"""Every image of a page with the texts that its author gave it: what pairs of image and text are made of.

The whole page counts here, not the main content alone (ALIGN, arXiv 2102.05918, takes alt texts wherever they stand);
one URL an image, twins and placeholders as in `extractor`.
"""

from pipelines.extract import fast, source
from pipelines.extract.blocks import ExtractConfig
from pipelines.extract.selection import is_hidden
from schemas.records import ImageRef

_DEFAULT = ExtractConfig()


def images_with_texts(
    html: bytes, url: str, *, content_type: str | None = None, config: ExtractConfig = _DEFAULT
) -> list[ImageRef]:
    """Return the images of a page in document order, each URL once; empty for bytes that hold no page."""
    if not source.looks_like_html(html):
        return []
    prepared, _charset, _truncated = source.prepare(html, content_type, config)
    page = fast.walk(prepared, url, config)
    return [item.image for item in page.candidates if item.image is not None and not is_hidden(item)]
