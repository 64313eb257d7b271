"""Regions of a detector that predicts boxes itself: the best boxes that overlap no better one."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from corpusloom.pipelines.models.query_detector import Queries
from corpusloom.pipelines.recipes.region_settings import RegionSettings
from corpusloom.pipelines.stages.regions.best_boxes import best_apart
from corpusloom.pipelines.stages.regions.detections import Detection, output_of
from corpusloom.pipelines.stages.regions.pairs_of_shard import ReadPair
from corpusloom.schemas.images.decoding import decode_rgb
from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.records import DetectorOutput

_PARTS = 16
"""Boxes are rounded to this part of a pixel."""


class Model(Protocol):
    """A detector of one image."""

    def __call__(self, rgb: np.ndarray) -> Queries:
        """Return the outputs for an RGB image (H, W, 3)."""


class QueryRegions:
    """A source of regions of a detector that predicts boxes."""

    def __init__(self, model: Model, settings: RegionSettings) -> None:
        """Take the detector and the settings of boxes."""
        self._model, self._settings = model, settings

    def describe(self, items: Sequence[ReadPair]) -> list[DetectorOutput]:
        """Return the row of the store for each pair's image; one image at a time is in memory."""
        return [output_of(item, item.sha256, self._find(item)) for item in items]

    def _find(self, item: ReadPair) -> Detection | str:
        try:
            rgb = decode_rgb(item.image)
        except ImageError as error:
            return error.reason
        found, (height, width) = self._model(rgb), rgb.shape[:2]
        if not len(found.boxes) == len(found.scores) == len(found.features) or not len(found.boxes):
            return "detector_wrong_shape"
        if not np.isfinite(found.scores).all():
            return "detector_not_finite"
        boxes = np.rint(found.boxes * _PARTS) / _PARTS
        kept = best_apart(boxes, found.scores, self._settings)
        return Detection(width, height, boxes[kept], found.features[kept], found.class_probs[kept])
