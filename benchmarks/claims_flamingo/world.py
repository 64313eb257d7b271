"""Pages of the bundled world's drawings, without a website: stories and pictures, each picture before its caption.

All captions of a page have one template, so an earlier caption tells the form of a later one. Pictures and their order
depend on a page's number alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from corpusloom.pipelines.demo import drawing, grammar, sites
from corpusloom.schemas.identity import make_key

PICTURES = 9
"""Pictures per page: one is described after up to eight shots."""
FIRST_TRAINING, FIRST_EXAM = 40_000_000, 60_000_000
"""Seeds of the first pictures, far from each other and from those of the website and of the language model's texts."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture of a page, encoded, and its caption."""

    jpg: bytes
    caption: str


@dataclass(frozen=True, slots=True)
class WorldPage:
    """A page: a short story, then its pictures."""

    key: str
    url: str
    story: str
    shown: tuple[Shown, ...]


def make_pages(first_seed: int, count: int, pictures: int = PICTURES) -> Iterator[WorldPage]:
    """Yield pages of `pictures` pictures each; classes come in rounds, each in a random order."""
    labels = sites.shuffled_labels(count * pictures, first_seed)
    for page in range(count):
        style, start = grammar.house_style(page), page * pictures
        drawn = [drawing.make_picture(labels[start + at], first_seed + start + at) for at in range(pictures)]
        shown = tuple(Shown(_jpg(picture), grammar.caption(picture, style)) for picture in drawn)
        url = f"http://world.localhost/{first_seed}/{page:04d}"
        yield WorldPage(make_key("page", url), url, grammar.story(first_seed + start, 2), shown)


def _jpg(picture: drawing.Picture) -> bytes:
    return drawing.encode(drawing.draw(picture), "jpg")
