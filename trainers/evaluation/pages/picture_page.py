"""The HTML page of a classification: figures, classes, and pictures with their best classes.

One self-contained page without scripts or external resources, of a bounded size.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from corpusloom.schemas import storage
from corpusloom.trainers.evaluation.batches import Figures
from corpusloom.trainers.evaluation.pages.html import render_page
from corpusloom.trainers.evaluation.predictions import Prediction, per_class

MOST_PICTURES = 1000
"""Pictures of a page, at most; they are spread evenly over all."""
MOST_BYTES = 8_000_000
"""Characters of all thumbnails of a page, at most."""
SIDE = 128
MOST_SKIPPED = 100
_LABELS = {"top1": "top-1", "top5": "top-5", "mean_class_recall": "mean recall per class"}


@dataclass(frozen=True, slots=True)
class PicturePage:
    """Heading of a page."""

    title: str
    kind: str
    checkpoint: str


def write_page(path: str, page: PicturePage, found: Figures) -> None:
    """Write the page of an evaluation with predictions."""
    storage.write_bytes(path, render(page, found).encode())


def render(page: PicturePage, found: Figures) -> str:
    """Return the page's HTML; all texts are escaped."""
    cards = shown_pictures(found)
    labelled = any(item.label is not None for item in found.predictions)
    groups = list(_groups(found.predictions, cards)) if labelled else [_group("", "", "", cards)]
    anchors = {group["title"]: group["anchor"] for group in groups}
    total = len(found.predictions)
    return render_page(
        "picture_page.html.j2",
        title=page.title,
        kind=page.kind,
        checkpoint=page.checkpoint,
        tiles=list(_tiles(found)),
        notes=found.notes,
        rows=[
            {
                "name": row.name,
                "anchor": anchors.get(row.name, ""),
                "images": row.images,
                "right": row.right,
                "recall": percent(row.right / row.images),
                "interval": f"{percent(row.low)} to {percent(row.high)}",
                "mistaken_for": row.mistaken_for,
            }
            for row in per_class(found.predictions)
        ],
        shown_words=f"All {total:,} are shown." if len(cards) == total else f"{len(cards):,} of {total:,} are shown.",
        classes=len(found.classes),
        labelled=labelled,
        groups=groups,
        skipped=found.skipped[:MOST_SKIPPED] + (("...",) if len(found.skipped) > MOST_SKIPPED else ()),
        skipped_count=len(found.skipped),
    )


def percent(share: float) -> str:
    """Return a share in per cent, with one decimal."""
    return f"{100 * share:.1f} %"


def shown_pictures(found: Figures) -> list[tuple[Prediction, str]]:
    """Return the predictions that a page shows, each with the thumbnail of its picture."""
    if found.thumbnails is None or not found.predictions:
        return []
    count = min(MOST_PICTURES, len(found.predictions))
    places = np.linspace(0, len(found.predictions) - 1, count).round().astype(int)
    chosen = [found.predictions[place] for place in places]
    uris = found.thumbnails({item.number for item in chosen}, SIDE)
    cards, size = [], 0
    for item in chosen:
        uri = uris.get(item.number, "")
        size += len(uri)
        if size > MOST_BYTES:
            break
        cards.append((item, uri))
    return cards


def _tiles(found: Figures) -> Iterator[dict[str, str]]:
    yield {"label": "pictures", "value": f"{len(found.predictions):,}", "interval": "", "chance": ""}
    yield {"label": "classes", "value": f"{len(found.classes):,}", "interval": "", "chance": ""}
    for name, label in _LABELS.items():
        if name in found.values:
            low, high = found.values[f"{name}_low"], found.values[f"{name}_high"]
            yield {
                "label": label,
                "value": percent(found.values[name]),
                "interval": f"{percent(low)} to {percent(high)}",
                "chance": percent(found.values[f"{name}_chance"]),
            }
    if found.skipped:
        yield {"label": "not read", "value": f"{len(found.skipped):,}", "interval": "", "chance": ""}


def _groups(predictions: Sequence[Prediction], cards: Sequence[tuple[Prediction, str]]) -> Iterator[dict[str, Any]]:
    """Yield a group per class with shown pictures, in alphabetical order."""
    rows = {row.name: row for row in per_class(predictions)}
    own: dict[str, list[tuple[Prediction, str]]] = {}
    for item, uri in cards:
        own.setdefault(item.label or "", []).append((item, uri))
    for number, name in enumerate(sorted(own)):
        row = rows[name]
        yield _group(name, f"class-{number}", f"{row.right:,} of {row.images:,} right", own[name])


def _group(title: str, anchor: str, words: str, cards: Sequence[tuple[Prediction, str]]) -> dict[str, Any]:
    return {"title": title, "anchor": anchor, "words": words, "cards": [_card(*card) for card in cards]}


def _card(item: Prediction, uri: str) -> Mapping[str, Any]:
    bars = [{"name": name, "percent": f"{100 * share:.1f}", "own": name == item.label} for name, share in item.top]
    return {"name": item.image, "label": item.label, "right": item.right, "thumbnail": uri, "bars": bars}
