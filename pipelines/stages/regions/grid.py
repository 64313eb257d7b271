"""Regions without a detector's own boxes: boxes of a grid and of colour, described by EfficientNet-lite0."""

from collections.abc import Sequence

import numpy as np

from corpusloom.pipelines.models.detector import BATCH, Detector
from corpusloom.pipelines.stages.regions.boxes import propose_boxes
from corpusloom.pipelines.stages.regions.detections import Detection, output_of
from corpusloom.pipelines.stages.regions.pairs_of_shard import ReadPair
from corpusloom.schemas.images.decoding import decode_rgb
from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.records import DetectorOutput


class GridRegions:
    """A source of regions that describes proposed boxes."""

    def __init__(self, model: Detector, max_boxes: int) -> None:
        """Take the model that describes boxes, and the number of boxes per image at most."""
        self._model, self._max_boxes = model, max_boxes

    def describe(self, items: Sequence[ReadPair]) -> list[DetectorOutput]:
        """Return the row of the store for each pair's image; BATCH images at a time are in memory."""
        found: list[DetectorOutput] = []
        for start in range(0, len(items), BATCH):
            found += self._batch(items[start : start + BATCH])
        return found

    def _batch(self, items: Sequence[ReadPair]) -> list[DetectorOutput]:
        results: list[Detection | str] = []
        images: dict[int, np.ndarray] = {}
        for place, item in enumerate(items):
            try:
                images[place] = decode_rgb(item.image)
                results.append("")
            except ImageError as error:
                results.append(error.reason)
        boxes = [propose_boxes(rgb, self._max_boxes) for rgb in images.values()]
        outputs = self._model(list(images.values()), boxes)
        for (place, rgb), box, (features, class_probs) in zip(images.items(), boxes, outputs, strict=True):
            height, width = rgb.shape[:2]
            results[place] = Detection(width, height, box, features, class_probs)
        return [output_of(item, item.sha256, result) for item, result in zip(items, results, strict=True)]
