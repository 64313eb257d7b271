"""Places the images of a page before the sentences that they resemble most (MMC4, arXiv 2304.06939 §3)."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from corpusloom.pipelines.filters.text.words import sentence_spans
from corpusloom.pipelines.models.clip_encoder import DIGITS
from corpusloom.schemas.records import Block

UNSCORED = -1.0
"""Similarity of an image and a sentence without a score, the least of a cosine."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a page."""

    block: int
    """Number of its block among the page's blocks."""
    start: int
    """Place of its first character in the block's text."""
    text: str


def sentences_of(blocks: Sequence[Block]) -> list[Sentence]:
    """Return the sentences of a page in reading order."""
    return [
        Sentence(number, start, block.text[start:end])
        for number, block in enumerate(blocks)
        if block.text is not None
        for start, end in sentence_spans(block.text)
    ]


def assign(similarities: np.ndarray) -> list[int]:
    """Return the sentence of each image: (images, sentences) -> one number per image, different where they suffice.

    The sum of the similarities is the largest. Of equal sums, images keep their order and stand early in the page. If
    there are more images than sentences, each of the surplus takes the sentence that it resembles most, as in MMC4's
    data.
    """
    from scipy.optimize import linear_sum_assignment

    images, sentences = similarities.shape
    whole = np.rint(similarities * 10**DIGITS)
    rows, columns = np.arange(images)[:, None] - images, np.arange(sentences)[None, :]
    weights = whole * (images * images * sentences + 1) + rows * columns  # integers, which float64 holds exactly
    found = [int(place) for place in weights.argmax(1)]
    for image, sentence in zip(*linear_sum_assignment(weights, maximize=True), strict=True):
        found[image] = int(sentence)
    return found


def place_images(
    blocks: Sequence[Block], ordinals: Sequence[int], similarities: Mapping[tuple[int, str], float]
) -> tuple[tuple[Block, ...], list[tuple[int, float | None]]]:
    """Return a page's blocks with each kept image before its sentence; a text is divided where an image stands in it.

    Args:
      blocks: Blocks of the page.
      ordinals: Numbers of the kept images among the page's image blocks; other images are left out.
      similarities: Number of an image and a sentence -> CLIP score.

    Returns:
      The blocks, and per image block its earlier number and its similarity to its sentence.
    """
    images = [block for block in blocks if block.image is not None]
    sentences = sentences_of(blocks)
    if not ordinals or not sentences:
        return tuple(blocks), [(number, None) for number in range(len(images))]
    table = [[similarities.get((ordinal, item.text), UNSCORED) for item in sentences] for ordinal in ordinals]
    places = assign(np.array(table))
    before: dict[int, list[int]] = {}
    for row, place in enumerate(places):
        before.setdefault(place, []).append(row)
    placed: list[Block] = []
    order: list[tuple[int, float | None]] = []
    for number, block in enumerate(blocks):
        if block.text is None:
            continue
        written = 0
        for place, item in enumerate(sentences):
            if item.block != number or place not in before:
                continue
            if block.text[written : item.start].strip():
                placed.append(dataclasses.replace(block, text=block.text[written : item.start].rstrip()))
                written = item.start
            for row in before[place]:
                placed.append(images[ordinals[row]])
                order.append((ordinals[row], table[row][place]))
        placed.append(dataclasses.replace(block, text=block.text[written:]) if written else block)
    return tuple(placed), order
