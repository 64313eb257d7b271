"""Converts regions and captions to ViLBERT's tensors: tokens, masks, locations, IMG region (section 3.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.stream.errors import SampleError
from corpusloom.trainers.stream.samples.typed import RegionsSample, TypedSample
from corpusloom.trainers.vilbert.config import ViLBERTDataConfig
from corpusloom.trainers.vilbert.objective import IGNORE
from corpusloom.trainers.vilbert.tokenizer import encode, token_id


def mask_words(
    ids: np.ndarray, tokenizer: Tokenizer, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return ids and labels with `share` of the words masked; a word that is not masked has the label -1.

    80 % of the masked words become [MASK], 10 % a random word, and 10 % stay unchanged.
    """
    chosen = rng.random(len(ids)) < share
    for name in ("[PAD]", "[CLS]", "[SEP]"):
        chosen &= ids != token_id(tokenizer, name)
    draw = rng.random(len(ids))
    words = rng.integers(0, tokenizer.get_vocab_size(), len(ids))
    masked = np.where(draw < 0.8, token_id(tokenizer, "[MASK]"), np.where(draw < 0.9, words, ids))
    return np.where(chosen, masked, ids), np.where(chosen, ids, IGNORE)


def locations(boxes: np.ndarray, width: float, height: float) -> np.ndarray:
    """Return x1/W, y1/H, x2/W, y2/H and the share of the area: (n, 4) in pixels -> (n, 5)."""
    scaled = boxes / np.array([width, height, width, height], np.float32)
    area = (scaled[:, 2] - scaled[:, 0]) * (scaled[:, 3] - scaled[:, 1])
    return np.concatenate([scaled, area[:, None]], axis=1).astype(np.float32)


def overlaps(boxes: np.ndarray) -> np.ndarray:
    """Return the intersection over union of all pairs of boxes, (n, 4) -> (n, n)."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return np.asarray(common / np.maximum(areas[:, None] + areas[None, :] - common, 1e-6))


def mask_regions(
    boxes: np.ndarray, share: float, leak_iou: float | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the regions to predict, and the regions whose features are zeroed: (n, 4) -> bool (n,), bool (n,).

    `share` of the regions are predicted; 90 % of these are zeroed and 10 % stay as they are. All boxes are kept.
    """
    chosen = rng.random(len(boxes)) < share
    zeroed = chosen & (rng.random(len(boxes)) < 0.9)
    if leak_iou is not None:
        zeroed = zeroed | (overlaps(boxes)[zeroed] > leak_iou).any(axis=0)
    return chosen, zeroed


def region_arrays(sample: RegionsSample, config: ViLBERTDataConfig, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return an image's arrays, IMG first, padded: features, locations, region_mask, masked_regions, class_probs.

    IMG is the mean of the features after masking: zeroed regions count, padding does not.
    """
    limit, count = config.regions, min(len(sample.boxes), config.regions)
    chosen, zeroed = mask_regions(sample.boxes[:count], config.mask, config.leak_iou, rng)
    masked = np.zeros(limit, bool)
    masked[:count] = chosen
    probabilities = np.zeros((limit, sample.class_probs.shape[1]), np.float16)
    probabilities[:count] = sample.class_probs[:count]
    if not np.isfinite(probabilities[masked]).all():
        raise SampleError("bad_regions", "class probabilities are not finite")
    return {**region_inputs(sample, limit, zeroed), "masked_regions": masked, "class_probs": probabilities}


def image_size(sample: RegionsSample) -> tuple[float, float]:
    """Return width and height of the image whose pixels the boxes count; SampleError if the JSON does not say them."""
    described = sample.info.get("regions")
    known: dict[str, Any] = described if isinstance(described, dict) else {}
    width, height = known.get("image_width", 0), known.get("image_height", 0)
    if not all(isinstance(side, int | float) and side > 0 for side in (width, height)):
        raise SampleError("bad_regions", "the JSON has no regions.image_width and image_height above 0")
    return width, height


def region_inputs(sample: RegionsSample, limit: int, zeroed: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Return the model's inputs of an image, IMG first, padded to `limit` regions: features, locations, region_mask.

    The features of `zeroed` regions, bool (n,), are 0; None: of no region. An image without regions has IMG alone, with
    a feature of zeros. Raises SampleError for features that are not finite, and for boxes that end before they begin.
    """
    count = min(len(sample.boxes), limit)
    boxes = sample.boxes[:count]
    if not (np.isfinite(boxes).all() and (boxes[:, :2] <= boxes[:, 2:]).all()):
        raise SampleError("bad_regions", "a box is not x1 <= x2, y1 <= y2")
    features = np.zeros((limit + 1, sample.features.shape[1]), np.float16)
    own = features[1 : count + 1]
    own[:] = sample.features[:count]
    if zeroed is not None:
        own[zeroed] = 0
    features[0] = torch.from_numpy(own).float().numpy().sum(0) / max(count, 1)  # numpy converts float16 20 times slower
    if not np.isfinite(features[0]).all():  # as it is if any region has one that is not
        raise SampleError("bad_regions", "features are not finite")
    places = np.zeros((limit + 1, 5), np.float32)
    places[0] = (0, 0, 1, 1, 1)
    places[1 : count + 1] = locations(boxes, *image_size(sample))
    return {
        "features": features,
        "locations": places,
        "region_mask": np.arange(limit + 1) <= count,
    }


def check_width(key: str, width: int | None, found: int, sample: str) -> None:
    """Raise ConfigError if regions have another width, or number of classes, than the model (None: not checked)."""
    if width not in (None, found):
        raise ConfigError(
            f"the regions of sample {sample} have {found}, the model {width}",
            where=f"model.{key}",
            remedy=f"set model.{key}={found}, or give regions of the detector that the model is made for",
        )


@dataclass(frozen=True)
class PretrainingTransform:
    """A sample with regions -> one row of each tensor of a batch."""

    tokenizer: Tokenizer
    config: ViLBERTDataConfig
    feature_width: int | None = None
    """Width of the features that the model takes; None: not checked."""
    class_count: int | None = None
    """Number of region classes that the model predicts; None: not checked."""

    def __call__(self, sample: TypedSample, rng: np.random.Generator) -> Mapping[str, np.ndarray]:
        """Return tokens, labels, masks and region arrays."""
        if not isinstance(sample, RegionsSample):
            raise ConfigError("ViLBERT trains on regions", where="--data", remedy="loom build regions --from DATASET")
        check_width("feature_width", self.feature_width, sample.features.shape[1], sample.key)
        if not sample.class_probs.shape[1]:
            raise ConfigError(
                f"the regions of sample {sample.key} have no class probabilities, which masked regions are to predict",
                where="--data",
                remedy="pre-train on regions of a detector or TSV with cls_prob or objects_conf; --task takes these",
            )
        check_width("class_count", self.class_count, sample.class_probs.shape[1], sample.key)
        original = encode(self.tokenizer, sample.text, self.config.tokens)
        tokens, labels = mask_words(original, self.tokenizer, self.config.mask, rng)
        pad = token_id(self.tokenizer, "[PAD]")
        return {
            "negative": rng.random(3),
            "original": original,
            "tokens": tokens,
            "token_mask": original != pad,
            "word_labels": labels,
            **region_arrays(sample, self.config, rng),
        }
