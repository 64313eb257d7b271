"""Referring expressions (RefCOCO, RefCOCO+, RefCOCOg): one of an image's regions is chosen (arXiv 1908.02265, 3.2).

Boxes are compared as continuous rectangles; with whole pixels this equals the public code's IoU, whose boxes end at
x + width - 1 and which adds 1 to each side.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from corpusloom.trainers.evaluation.batches import Figures
from corpusloom.trainers.evaluation.figures import share
from corpusloom.trainers.evaluation.finished import Measured
from corpusloom.trainers.stream.samples.typed import RegionsSample
from corpusloom.trainers.vilbert.data import image_size
from corpusloom.trainers.vilbert.downstream.formats.expressions import Expression

ENOUGH = 0.5
"""IoU with the object's box: regions from it on are targets, a choice above it is right (the public code's rule)."""
ACCURACY, BOUND = "accuracy", "accuracy_of_the_best_region"


def overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the intersection over union of one box with others, corners each: (4,), (n, 4) -> (n,)."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1) + np.prod(box[2:] - box[:2])
    return np.asarray(common / np.maximum(areas - common, 1e-6))


def shares_of(expression: Expression) -> np.ndarray:
    """Return the corners of an object's box as shares of the image's sides, (4,)."""
    x, y, width, height = expression.box
    corners = np.array([x, y, x + width, y + height], np.float64)
    return corners / (expression.width, expression.height, expression.width, expression.height)


@dataclass(frozen=True)
class RefCOCOTask:
    """Choice among the regions of an image."""

    regions: int
    """Regions per image, without IMG."""
    choices: ClassVar[int | None] = None

    def targets(self, annotation: Expression, sample: RegionsSample) -> dict[str, np.ndarray]:
        """Return each region's IoU with the object, its box as shares of the image, and whether it is a region.

        The image of the dataset may have another size than COCO's.
        """
        count, sides = min(len(sample.boxes), self.regions), np.array(image_size(sample) * 2, np.float64)
        size = (annotation.width, annotation.height) * 2
        boxes, iou = np.zeros((self.regions, 4), np.float32), np.zeros(self.regions, np.float32)
        boxes[:count] = sample.boxes[:count] / sides
        iou[:count] = overlap(shares_of(annotation) * size, boxes[:count] * size)
        return {"iou": iou, "boxes": boxes, "is_region": np.arange(self.regions) < count}

    def example(self, rows: int) -> dict[str, Tensor]:
        """Return arrays of zeros; each row has all regions."""
        regions = (rows, self.regions)
        return {
            "iou": torch.zeros(regions),
            "boxes": torch.zeros(*regions, 4),
            "is_region": torch.ones(regions, dtype=torch.bool),
        }

    def losses(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the binary cross-entropy with the IoU, 0 below ENOUGH, summed over regions: (B, R) -> (B,)."""
        iou = batch["iou"].to(logits.dtype)
        targets = torch.where(iou >= ENOUGH, iou, 0)
        losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        return (losses * batch["is_region"]).sum(1)

    def scores(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Return 1 if the chosen region's IoU is above ENOUGH, else 0, (B,)."""
        chosen = batch["iou"].gather(1, _best(logits, batch))[:, 0]
        return (chosen > ENOUGH).to(logits.dtype)

    def measure(self, logits: Tensor, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return score, box and IoU of the chosen region, the best IoU, and the share of right regions."""
        best = _best(logits, batch)
        right = ((batch["iou"] > ENOUGH) & batch["is_region"]).sum(1)
        chance = right / batch["is_region"].sum(1).clamp(min=1)
        return {
            "score": logits.gather(1, best)[:, 0],
            "box": batch["boxes"].gather(1, best[:, :, None].expand(-1, -1, 4))[:, 0],
            "iou": batch["iou"].gather(1, best)[:, 0],
            "best_iou": batch["iou"].amax(1),
            "chance": chance,
        }

    def figures(self, annotations: Sequence[Expression], found: Measured) -> Figures:
        """Return the accuracy, that of a model which always chooses the best region, and the chosen boxes.

        By chance is the accuracy of a random region.
        """
        tensors = found.tensors
        chance = float(tensors["chance"].double().mean())
        values = dict(share(ACCURACY, tensors["iou"] > ENOUGH, chance))
        values |= dict(share(BOUND, tensors["best_iou"] > ENOUGH, chance))
        rows = [
            {"ref_id": reference, "sent_id": sentence, "bbox": _pixels(box, item), "score": score}
            for item, box, score in zip(annotations, tensors["box"].tolist(), tensors["score"].tolist(), strict=True)
            for reference, sentence in [map(int, item.key.split("/"))]
        ]
        files = {"boxes.json": (json.dumps(rows) + "\n").encode()}
        return Figures({**values, "sentences": float(len(annotations))}, files=files)

    def figure_names(self) -> tuple[str, ...]:
        """Return the names of the figures."""
        hits = torch.ones(2, dtype=torch.bool)
        return tuple(figure for name in (ACCURACY, BOUND) for figure in dict(share(name, hits, 0.0)))


def _best(logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
    """Return the number of the region with the highest score, (B, R) -> (B, 1)."""
    return logits.masked_fill(~batch["is_region"], -torch.inf).argmax(1, keepdim=True)


def _pixels(box: Sequence[float], expression: Expression) -> list[float]:
    """Return a box, corners as shares of the sides, as x, y, width and height in pixels of COCO's image."""
    left, top, right, bottom = box
    width, height = expression.width, expression.height
    return [round(v, 2) for v in (left * width, top * height, (right - left) * width, (bottom - top) * height)]
