"""Predictions of each word and of each region, with that one alone masked.

The pre-training masks some at a time (section 2.2); one at a time gives a prediction of each, and nothing is drawn.
Shapes: T tokens, n regions without IMG, C region classes.
"""

from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from corpusloom.trainers.stream.samples.typed import RegionsSample
from corpusloom.trainers.vilbert.data import region_inputs
from corpusloom.trainers.vilbert.model.pretraining import ViLBERT
from corpusloom.trainers.vilbert.tokenizer import token_id

BEST = 5
"""Predictions that are kept of each word and region, the most probable first."""


@dataclass(frozen=True, slots=True)
class MaskedPrediction:
    """The most probable ids of one masked word or region."""

    place: int
    """Position of the token in the caption, or number of the region from 0."""
    own: int
    """Id of the token, or the detector's most probable class."""
    top: tuple[tuple[int, float], ...]
    """Id or class and its probability, the most probable first."""

    @property
    def right(self) -> bool:
        """Whether the most probable is the own one."""
        return self.top[0][0] == self.own


@dataclass(frozen=True, slots=True)
class PairInputs:
    """One caption and one image as the model takes them, each tensor with one row."""

    tokens: Tensor
    token_mask: Tensor
    features: Tensor
    locations: Tensor
    region_mask: Tensor

    @property
    def visual(self) -> tuple[Tensor, Tensor, Tensor]:
        """The image's arguments of `encode_image`."""
        return self.features, self.locations, self.region_mask


def inputs_of(model: ViLBERT, ids: np.ndarray, pad: int, arrays: dict[str, np.ndarray]) -> PairInputs:
    """Return the inputs of a caption's ids (T,) and the arrays of `data.region_inputs`, on the model's device."""
    weight = model.word_bias
    tokens = torch.from_numpy(ids)[None].to(weight.device)
    found = {name: torch.from_numpy(value)[None].to(weight.device) for name, value in arrays.items()}
    visual = (found["features"].to(weight.dtype), found["locations"].to(weight.dtype), found["region_mask"])
    return PairInputs(tokens, tokens != pad, *visual)


def predict_words(model: ViLBERT, given: PairInputs, tokenizer: Tokenizer, rows: int) -> list[MaskedPrediction]:
    """Return a prediction of each token that is no special one, `rows` forward passes at a time."""
    special = torch.tensor([token_id(tokenizer, name) for name in ("[PAD]", "[CLS]", "[SEP]")])
    ids = given.tokens[0].cpu()
    places = (~torch.isin(ids, special)).nonzero()[:, 0]
    if not len(places):
        return []
    image = model.encode_image(*given.visual)
    found: list[MaskedPrediction] = []
    for part in places.split(rows):
        count = len(part)
        tokens = given.tokens.repeat(count, 1)
        tokens[torch.arange(count), part] = token_id(tokenizer, "[MASK]")
        mask = given.token_mask.expand(count, -1)
        outputs = model.join(
            model.encode_text(tokens, mask), mask, image.expand(count, -1, -1), given.region_mask.expand(count, -1)
        )
        logits = model.predict_words(outputs.text[torch.arange(count), part])
        found += _best(part.tolist(), ids[part].tolist(), logits)
    return found


def predict_regions(model: ViLBERT, given: PairInputs, sample: RegionsSample, rows: int) -> list[MaskedPrediction]:
    """Return a prediction of each region that the model takes, `rows` forward passes at a time.

    A masked region has its box and a feature of zeros, which the mean feature of IMG contains, as in the pre-training.
    """
    limit = given.features.shape[1] - 1
    count = min(len(sample.boxes), limit)
    if not count or not sample.class_probs.shape[1]:  # without a detector's classes none is the right one
        return []
    own = sample.class_probs[:count].argmax(1).tolist()
    text = model.encode_text(given.tokens, given.token_mask)
    found: list[MaskedPrediction] = []
    for part in torch.arange(count).split(rows):
        masked = [region_inputs(sample, limit, np.arange(count) == place)["features"] for place in part.tolist()]
        features = torch.from_numpy(np.stack(masked)).to(given.features)
        places, mask = given.locations.expand(len(part), -1, -1), given.region_mask.expand(len(part), -1)
        image = model.encode_image(features, places, mask)
        outputs = model.join(text.expand(len(part), -1, -1), given.token_mask.expand(len(part), -1), image, mask)
        logits = model.predict_regions(outputs.image[torch.arange(len(part)), part + 1])
        found += _best(part.tolist(), [own[place] for place in part.tolist()], logits)
    return found


def _best(places: list[int], own: list[int], logits: Tensor) -> list[MaskedPrediction]:
    shares, ids = logits.float().softmax(1).topk(min(BEST, logits.shape[1]))
    return [
        MaskedPrediction(place, ours, tuple(zip(*row, strict=True)))
        for place, ours, *row in zip(places, own, ids.tolist(), shares.tolist(), strict=True)
    ]
