"""Rows of the fine-tuning: an image, one of its captions, and a hard caption (arXiv 1908.02265, section 3.2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.stream.reading.annotated_rows import AnnotatedRows, AnnotatedSample, annotate
from corpusloom.trainers.stream.reading.index import open_index
from corpusloom.trainers.stream.samples.typed import RegionsSample
from corpusloom.trainers.vilbert.config import ViLBERTConfig
from corpusloom.trainers.vilbert.data import check_width, region_inputs
from corpusloom.trainers.vilbert.downstream.config import TaskDataConfig
from corpusloom.trainers.vilbert.downstream.join import JoinedAnnotations
from corpusloom.trainers.vilbert.retrieval.neighbours import NONE
from corpusloom.trainers.vilbert.tokenizer import encode, token_id

DRAWS = 4
"""Random numbers per row, of which `objective.RetrievalObjective` makes its choices."""


@dataclass(frozen=True, slots=True)
class Caption:
    """One caption of an image."""

    key: str
    """Name of the image, and number of the caption among its own: NAME/NUMBER."""
    of: int
    """Number of the image."""
    text: str


def captions_of(path: str, joined: JoinedAnnotations) -> AnnotatedRows:
    """Return the captions of joined images, of which each is an annotation of its own."""
    rows = joined.rows
    found = [
        (shard, int(row), Caption(f"{image.key}/{number}", image.number, text))
        for shard, (places, images) in enumerate(zip(rows.rows, rows.annotations, strict=True))
        for row, image in zip(places, images, strict=True)
        for number, text in enumerate(image.captions)
    ]
    return annotate(open_index(path), found)


def plain(text: str) -> str:
    """Return a text in lower case with single spaces, to compare it with others."""
    return " ".join(text.lower().split())


@dataclass(frozen=True, eq=False)
class ChoiceTransform:
    """A caption of an image -> one row of each tensor of a batch."""

    tokenizer: Tokenizer
    data: TaskDataConfig
    shape: ViLBERTConfig
    captions: Sequence[tuple[str, ...]]
    """Captions of each image."""
    nearest: np.ndarray
    """Nearest images of each image, as `neighbours.find_neighbours` returns them."""

    def __call__(self, item: AnnotatedSample, rng: np.random.Generator) -> Mapping[str, np.ndarray]:
        """Return the image's number and inputs, ids of its caption and of a hard one, and random numbers.

        "has_hard" is False, and the hard caption is the own one, if no other text is among those of the neighbours.
        """
        sample, caption = item.sample, item.annotation
        if not isinstance(sample, RegionsSample):
            raise ConfigError("ViLBERT trains on regions", where="--data", remedy="loom build regions --from DATASET")
        check_width("feature_width", self.shape.feature_width, sample.features.shape[1], sample.key)
        draws = rng.random(DRAWS)
        own, padding = self._encode(caption.text), token_id(self.tokenizer, "[PAD]")
        text = self.hard_caption(caption.of, rng)
        hard = own if text is None else self._encode(text)
        return {
            "image": np.int64(caption.of),
            "tokens": own,
            "token_mask": own != padding,
            "hard_tokens": hard,
            "hard_mask": hard != padding,
            "has_hard": np.bool_((hard != own).any()),
            "draws": draws,
            **region_inputs(sample, self.data.regions),
        }

    def hard_caption(self, image: int, rng: np.random.Generator) -> str | None:
        """Return a random caption of a random neighbour of an image, but none that the image has itself.

        If all captions of that neighbour are the image's own, the next neighbour is asked; None if no other is left, or
        if the image could not be read when neighbours were found.
        """
        own = {plain(text) for text in self.captions[image]}
        neighbours = [number for number in self.nearest[image].tolist() if number != NONE]
        first = int(rng.integers(max(len(neighbours), 1)))
        for neighbour in neighbours[first:] + neighbours[:first]:
            others = [text for text in self.captions[neighbour] if plain(text) not in own]
            if others:
                return others[int(rng.integers(len(others)))]
        return None

    def _encode(self, text: str) -> np.ndarray:
        return encode(self.tokenizer, text, self.data.tokens)


def example_batch(shape: ViLBERTConfig, data: TaskDataConfig, rows: int) -> dict[str, Any]:
    """Return a batch as the stream gives it, of zeros; each row is of an image of its own."""
    words, regions = (rows, data.tokens), (rows, data.regions + 1)
    numbers = torch.arange(rows)
    tokens = torch.zeros(words, dtype=torch.int64)
    tokens[:, -1] = numbers
    return {
        "keys": [""] * rows,
        "image": numbers,
        "tokens": tokens,
        "token_mask": torch.ones(words, dtype=torch.bool),
        "hard_tokens": torch.zeros(words, dtype=torch.int64),
        "hard_mask": torch.ones(words, dtype=torch.bool),
        "has_hard": torch.ones(rows, dtype=torch.bool),
        "draws": torch.zeros(rows, DRAWS, dtype=torch.float64),
        "features": torch.zeros(*regions, shape.feature_width, dtype=torch.float16),
        "locations": torch.zeros(*regions, 5),
        "region_mask": torch.ones(regions, dtype=torch.bool),
    }
