"""Labels and scores content images of 45 article pages of WCXB's development split.

The pages were labelled by reading them. `image_labels.json` has one row per page: the URLs of its content images (a
picture may have several), the first words of the texts before and after each, and under `either` the images whose
choice is debatable (banners of a section, logos of compared products); those do not count. Pictures whose URL is not in
the saved page are left out, as are advertisements of the site's own offers, portraits of authors and links to other
articles. No page is in this repository.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

_FILE = Path(__file__).with_name("image_labels.json")
_SIZE = re.compile(r"(?:[-_]?\d{2,4}x\d{2,4}|@\dx|_\d{2,4})(?=\.\w+$)")
_SHORT_NAME = 10
"""File names of at most this many characters are compared together with their folder."""
_INNER = re.compile(r"(?:^|&)(?:url|src|image)=([^&]+)")
_WORD = re.compile(r"\w+")

Item = tuple[str, str]
"""One item of a page in reading order: ("text", its words) or ("image", its URL)."""


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """One content image: its URLs, and the first words of the texts around it (empty at an end of the page)."""

    urls: tuple[str, ...]
    after: str
    before: str


@dataclass(frozen=True, slots=True)
class LabelledPage:
    """The content images of one page in reading order, and the URLs that do not count."""

    page: str
    images: tuple[LabelledImage, ...]
    either: tuple[str, ...]


@dataclass(slots=True)
class ImageScores:
    """Sums over pages: labelled images, labelled images found, extracted images, image-text pairs, pairs in order."""

    labelled: int = 0
    found: int = 0
    given: int = 0
    pairs: int = 0
    ordered: int = 0

    @property
    def recall(self) -> float:
        """Return the share of labelled images that were found."""
        return self.found / max(self.labelled, 1)

    @property
    def precision(self) -> float:
        """Return the share of extracted images that are labelled, debatable ones left out."""
        return self.found / max(self.given, 1)

    @property
    def order(self) -> float:
        """Return the share of pairs (image, text beside a labelled image) that are in the labelled order."""
        return self.ordered / max(self.pairs, 1)


def read_labels() -> dict[str, LabelledPage]:
    """Return the labelled pages by their names."""
    rows = json.loads(_FILE.read_text("utf-8"))
    return {
        row["page"]: LabelledPage(
            row["page"],
            tuple(LabelledImage(tuple(item["urls"]), item["after"], item["before"]) for item in row["images"]),
            tuple(row["either"]),
        )
        for row in rows
    }


def picture(url: str) -> str:
    """Return the part that all URLs of a picture share: its file name without sizes, also inside a resizer's URL."""
    parts = urlsplit(url)
    inner = _INNER.search(parts.query)
    path = unquote(unquote(inner.group(1))) if inner else unquote(parts.path)
    folder, _slash, name = path.partition("?")[0].rstrip("/").rpartition("/")
    name = _SIZE.sub("", name).lower()
    return name if len(name) > _SHORT_NAME else f"{folder.rpartition('/')[2].lower()}/{name}"


def score(label: LabelledPage, items: Sequence[Item], scores: ImageScores) -> None:
    """Add one page's items, in the order in which an extractor gave them, to the sums."""
    either = {picture(url) for url in label.either}
    wanted = [{picture(url) for url in image.urls} for image in label.images]
    names = [picture(value) if kind == "image" else None for kind, value in items]
    given = {name for name in names if name is not None} - either
    places = [next((at for at, name in enumerate(names) if name in pictures), None) for pictures in wanted]
    scores.labelled += len(wanted)
    scores.found += sum(place is not None for place in places)
    scores.given += max(len(given), sum(place is not None for place in places))
    _score_order(label, items, places, scores)


def _score_order(label: LabelledPage, items: Sequence[Item], places: Sequence[int | None], scores: ImageScores) -> None:
    """Add the pairs of a found image and an anchor text: the text is labelled before or after it."""
    texts = [" " + " ".join(_WORD.findall(value.lower())) + " " if kind == "text" else "" for kind, value in items]
    anchors: list[tuple[int, int]] = []
    for words, before in _anchors(label).items():
        hits = [at for at, text in enumerate(texts) if f" {words} " in text]
        if len(hits) == 1:
            anchors.append((before, hits[0]))
    for number, place in enumerate(places):
        for before, at in anchors:
            if place is not None:
                scores.pairs += 1
                scores.ordered += (at < place) == (before <= number)


def _anchors(label: LabelledPage) -> dict[str, int]:
    """Return first words of each text beside an image -> number of images before it, each text once."""
    least: dict[str, int] = {}
    most: dict[str, int] = {}
    for number, image in enumerate(label.images):
        if image.after:
            most[image.after] = min(most.get(image.after, number), number)
        if image.before:
            least[image.before] = max(least.get(image.before, 0), number + 1)
    return {
        words: most.get(words, least.get(words, 0))
        for words in {*least, *most}
        if least.get(words, 0) <= most.get(words, len(label.images))
    }
