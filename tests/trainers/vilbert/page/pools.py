"""A small pool of captions and images, and the page of its retrieval."""

from dataclasses import replace
from typing import Any

import torch

from corpusloom.trainers.stream.samples.typed import RegionsSample
from corpusloom.trainers.vilbert.page.retrieval_page import RetrievedPool
from corpusloom.trainers.vilbert.page.samples import PageModel
from corpusloom.trainers.vilbert.tokenizer import make_tokenizer
from tests.trainers.datasets import coloured_pairs
from tests.trainers.vilbert.folders import WORDS
from tests.trainers.vilbert.region_pairs import region_sample
from tests.trainers.vilbert.small import small_model

TOKENIZER = make_tokenizer({word: number for number, word in enumerate(WORDS)})
ONE = {"streams": 1, "v_hidden": 24, "co_hidden": 24}
FIGURES = {"r1": 0.5, "r1_low": 0.2, "r1_high": 0.8, "r1_n": 6, "r1_chance": 1 / 6, "n": 6, "skipped": 0}
SCRIPT, BIDI = "<script>alert(1)</script> red disc", "a \u202eder\u202c \u05d0\u05d3\u05d5\u05dd square"
CAPTIONS = ("a red disc", SCRIPT, BIDI, "a green square", "a blue disc, a red square", "number disc")


def page_model(*, regions: int = 8, **changes: Any) -> PageModel:
    """Return a small model that is given up to 12 tokens and `regions` regions."""
    return PageModel(small_model(**changes), TOKENIZER, tokens=12, regions=regions, rows=5)


def empty(sample: RegionsSample) -> RegionsSample:
    """Return a sample without its regions."""
    arrays = {"boxes": sample.boxes[:0], "features": sample.features[:0], "class_probs": sample.class_probs[:0]}
    return replace(sample, **arrays)


def pool_samples() -> list[RegionsSample]:
    """Return six images: one without a region, one with 100, the last without a picture that can be decoded."""
    found = [region_sample(number) for number in range(6)]
    found[1], found[2] = empty(found[1]), region_sample(2, boxes=100)
    pictures = [pair.image for pair in coloured_pairs(5)]
    shown = [replace(sample, image=picture) for sample, picture in zip(found, pictures, strict=False)]
    return [*shown, found[5]]


def pool() -> RetrievedPool:
    """Return a pool in which captions 0 to 2 find their own images first, and caption 5 finds its own last."""
    scores = torch.eye(6) * 0.5 + 0.1
    scores[3:, 0], scores[5, 5] = 0.9, 0.0
    samples = pool_samples()
    return RetrievedPool(
        CAPTIONS, torch.arange(6), scores, lambda numbers: {number: samples[number] for number in numbers}
    )
