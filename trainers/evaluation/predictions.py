"""Predictions of a classification per image, and what they say per class."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from corpusloom.trainers.evaluation.figures import wilson


@dataclass(frozen=True, slots=True)
class Prediction:
    """The best classes of one image."""

    image: str
    """Name of the image."""
    number: int
    """Its place among all images, from 0."""
    label: str | None
    """Its class; None if it is not known."""
    right: bool | None
    """Whether no other class is as probable as its own; None without a label."""
    top: tuple[tuple[str, float], ...]
    """Up to five classes and their probabilities, the most probable first."""

    def to_plain(self) -> dict[str, Any]:
        """Return plain values, without what is not known."""
        known = {} if self.label is None else {"label": self.label, "right": self.right}
        return {"image": self.image, **known, "top": [[name, round(share, 6)] for name, share in self.top]}


@dataclass(frozen=True, slots=True)
class ClassRow:
    """Predictions for the images of one class."""

    name: str
    images: int
    right: int
    low: float
    """Lower bound of the 95 % interval of the share that is right."""
    high: float
    mistaken_for: str
    """The most frequent wrong prediction; empty if there is none."""


def per_class(predictions: Iterable[Prediction]) -> Iterator[ClassRow]:
    """Yield a row per class that has images, the lowest share of right ones first."""
    images, right, wrong = Counter[str](), Counter[str](), dict[str, Counter[str]]()
    for found in predictions:
        if found.label is None:
            continue
        images[found.label] += 1
        right[found.label] += bool(found.right)
        others = [name for name, _ in found.top if name != found.label]
        if not found.right and others:
            wrong.setdefault(found.label, Counter())[others[0]] += 1
    for name in sorted(images, key=lambda name: (right[name] / images[name], name)):
        mistaken = wrong[name].most_common(1)[0][0] if name in wrong else ""
        yield ClassRow(name, images[name], right[name], *wilson(right[name], images[name]), mistaken)
