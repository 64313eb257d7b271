"""The regions of one image as a detector gives them, checked before the image store keeps them."""

from dataclasses import dataclass

import numpy as np

from corpusloom.pipelines.stages.regions.arrays import encode_regions
from corpusloom.pipelines.stages.regions.pairs_of_shard import ReadPair
from corpusloom.schemas.records import DetectorOutput

SLACK = 1.0
"""Pixels by which a box may leave its image: detectors count pixels from 0 or from 1. It is cut to the image."""


class DetectionError(Exception):
    """The outputs for one image cannot be used; the only argument is the reason, a stable word."""


@dataclass(frozen=True, slots=True)
class Detection:
    """Boxes (n, 4) in pixels, features (n, width) and class probabilities (n, classes) of an image, best first."""

    width: int
    height: int
    """Size of the image whose pixels the boxes count."""
    boxes: np.ndarray
    features: np.ndarray
    class_probs: np.ndarray

    def checked(self) -> "Detection":
        """Return the same as it is stored: boxes float32 inside the image, the rest float16.

        Raises DetectionError for arrays of other shapes, values that are not finite (as float16: up to 65,504), boxes
        outside the image or without order, and probabilities that are none.
        """
        tables = all(array.ndim == 2 for array in (self.boxes, self.features, self.class_probs))
        if not tables or self.boxes.shape[1] != 4 or not len(self.boxes) == len(self.features) == len(self.class_probs):
            raise DetectionError("detector_wrong_shape")
        if not len(self.boxes) or not self.features.shape[1]:
            raise DetectionError("detector_no_boxes")
        with np.errstate(over="ignore", invalid="ignore"):
            boxes, features = self.boxes.astype(np.float32), self.features.astype(np.float16)
            probabilities = self.class_probs.astype(np.float16)
        if not all(np.isfinite(array).all() for array in (boxes, features, probabilities)):
            raise DetectionError("detector_not_finite")
        limits = np.array([self.width, self.height] * 2, np.float32)
        if (boxes < -SLACK).any() or (boxes > limits + SLACK).any():
            raise DetectionError("box_outside_image")
        if (boxes[:, :2] > boxes[:, 2:]).any():
            raise DetectionError("box_inverted")
        if probabilities.shape[1] and not _are_distributions(probabilities):
            raise DetectionError("not_probabilities")
        return Detection(self.width, self.height, boxes.clip(0, limits), features, probabilities)


def _are_distributions(rows: np.ndarray) -> bool:
    """Return whether each row is a distribution, to within the precision of float16."""
    values = rows.astype(np.float32)
    return bool((values >= 0).all() and (np.abs(values.sum(1) - 1) <= 0.05).all())


def output_of(item: ReadPair, key: str, found: Detection | str, place: str | None = None) -> DetectorOutput:
    """Return the row of the image store for a pair's image: what was found, or the reason why nothing was.

    Args:
      item: The pair.
      key: Key of the row: `source.key_of(item)`.
      found: The detection, which is checked here, or a reason.
      place: Line of a file that the outputs were read from, NAME:LINE.
    """
    try:
        if isinstance(found, str):
            raise DetectionError(found)
        good = found.checked()
    except DetectionError as error:
        return DetectorOutput(sha256=key, image_sha256=item.row.sha256 or "", place=place, error=str(error))
    return DetectorOutput(
        sha256=key,
        image_sha256=item.row.sha256 or "",
        image_width=good.width,
        image_height=good.height,
        count=len(good.boxes),
        feature_width=good.features.shape[1],
        class_count=good.class_probs.shape[1],
        regions=encode_regions(good.boxes, good.features, good.class_probs),
        place=place,
    )
