"""The HTML page of a search: per query a grid of the images that were found."""

from collections.abc import Sequence
from dataclasses import dataclass

from corpusloom.schemas.images.thumbnails import thumbnail
from corpusloom.schemas.urls.redaction import redacted
from corpusloom.trainers.embedding.hits import SearchHit
from corpusloom.trainers.evaluation.pages.html import render_page

SIDE = 160
"""Side of the thumbnails, in pixels, at most."""
MOST_BYTES = 8_000_000
"""Characters of all thumbnails of a page, at most; later images are shown without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchGroup:
    """A query and its images."""

    query: str
    """The text, or the path of the image."""
    image: bytes | None
    """The image, if it is one."""
    hits: Sequence[tuple[SearchHit, bytes]]
    """The images that were found, encoded."""


def render_search(title: str, note: str, groups: Sequence[SearchGroup]) -> str:
    """Return the page's HTML; all texts are escaped."""
    room = MOST_BYTES

    def shown(image: bytes | None) -> str:
        nonlocal room
        uri = thumbnail(image, SIDE) if image and room > 0 else None
        room -= len(uri or "")
        return uri or ""

    queries = [
        {
            "text": group.query,
            "thumbnail": shown(group.image),
            "hits": [
                {
                    "thumbnail": shown(image),
                    "rank": hit.rank,
                    "score": f"{hit.score:.3f}",
                    "key": hit.key,
                    "url": redacted(hit.url or ""),
                    "caption": hit.caption or "",
                }
                for hit, image in group.hits
            ],
        }
        for group in groups
    ]
    return render_page("search_page.html.j2", title=title, note=note, queries=queries)
