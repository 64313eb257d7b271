"""The values from which a page's template draws one sample: picture, boxes, words, predictions, table of weights.

Style rules of the page read the weights from custom properties: --wT-L is the weight of a region for token T (on the
region), --rR-L that of a word for region R (on the word), in layer L, 0 for the mean of all layers; from 0 for the
smallest to 100 for the largest weight that the same token, or region, gives.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from corpusloom.schemas.images.thumbnails import thumbnail
from corpusloom.trainers.vilbert.page.masked import MaskedPrediction
from corpusloom.trainers.vilbert.page.samples import ExplainedSample

SIDE = 560
"""Pixels of a picture's longer side."""
FEW = 20
"""Regions up to which boxes are drawn in full strength; more of them are drawn fainter."""
SPECIAL = ("[CLS]", "[SEP]", "[UNK]", "[MASK]")
Name = Callable[[int], str]
"""Id of a token or class -> its name."""


def card_of(item: ExplainedSample, token_name: Name, class_name: Name) -> dict[str, Any]:
    """Return the template's values of a sample."""
    to_regions, to_words = (with_mean(weights) for weights in item.attention)
    of_words, of_regions = relative(to_regions), relative(to_words)
    described = item.sample.info["regions"]
    width, height = described["image_width"], described["image_height"]
    return {
        "name": item.sample.key,
        "caption": item.caption,
        "is_cut": item.is_cut,
        "left_out": len(item.sample.boxes) - item.regions,
        "picture": thumbnail(item.sample.image, SIDE) or "",
        "width": width,
        "height": height,
        "letter": max(width, height) / 26,
        "dense": round(min(1.0, FEW / max(item.regions, 1)), 2),
        "words": [
            {"text": word, "special": word in SPECIAL, "style": properties("r", of_regions[:, :, place])}
            for place, word in enumerate(item.words)
        ],
        "regions": [
            {
                "number": number,
                "detected": "" if number == 0 else _detected(item, number - 1, class_name),
            }
            for number in range(1 + item.regions)
        ],
        "boxes": _boxes(item, width, height),
        "styles": [properties("w", of_words[:, :, number]) for number in range(1 + item.regions)],
        "masked_words": [_prediction(found, token_name(found.own), token_name) for found in item.masked_words],
        "masked_regions": [_prediction(one, f"region {one.place + 1}", class_name) for one in item.masked_regions],
        "words_right": sum(found.right for found in item.masked_words),
        "regions_right": sum(found.right for found in item.masked_regions),
        "weights": [[f"{100 * share:.0f}" for share in row] for row in to_regions[0].tolist()],
    }


def with_mean(weights: Tensor) -> Tensor:
    """Return the mean over layers before the layers, (L, Q, K) -> (1 + L, Q, K); zeros for no layer."""
    mean = weights.mean(0) if len(weights) else weights.new_zeros(weights.shape[1:])
    return torch.cat([mean[None], weights])


def relative(weights: Tensor) -> Tensor:
    """Return weights between the smallest (0) and the largest (100) that the same query gives, (..., K) integers.

    If all are equal, all are 0.
    """
    low, high = weights.amin(-1, keepdim=True), weights.amax(-1, keepdim=True)
    return (100 * (weights - low) / (high - low).clamp_min(1e-9)).round().int()


def properties(prefix: str, weights: Tensor) -> str:
    """Return the custom properties of one key: the weights that each query gives it in each layer, (1 + L, Q)."""
    return ";".join(
        f"--{prefix}{query}-{layer}:{value}"
        for layer, row in enumerate(weights.tolist())
        for query, value in enumerate(row)
        if value
    )


def _boxes(item: ExplainedSample, width: int, height: int) -> list[Mapping[str, Any]]:
    """Return the boxes from the largest to the smallest, so that a small one lies above; IMG is the whole image."""
    boxes = [(0, [0.0, 0.0, float(width), float(height)])]
    boxes += enumerate(item.sample.boxes[: item.regions].tolist(), 1)
    found = [
        {"number": number, "x": left, "y": top, "width": max(right - left, 0.0), "height": max(bottom - top, 0.0)}
        for number, (left, top, right, bottom) in boxes
    ]
    return sorted(found, key=lambda box: -box["width"] * box["height"])


def _detected(item: ExplainedSample, number: int, class_name: Name) -> str:
    if not item.sample.class_probs.shape[1]:
        return ""
    share, found = max((float(share), found) for found, share in enumerate(item.sample.class_probs[number]))
    return f"{class_name(found)}, {100 * share:.0f} %"


def _prediction(found: MaskedPrediction, title: str, name: Name) -> dict[str, Any]:
    bars = [
        {"name": name(number), "percent": f"{100 * share:.1f}", "own": number == found.own}
        for number, share in found.top
    ]
    return {"title": title, "own": name(found.own), "right": found.right, "bars": bars}
