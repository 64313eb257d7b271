"""The choice of boxes by their scores."""

import numpy as np
import pytest

from corpusloom.pipelines.recipes.region_settings import RegionSettings
from corpusloom.pipelines.stages.regions.best_boxes import best_boxes, without_overlaps

SCORES = np.array([0.1, 0.9, 0.5, 0.9, 0.2])


@pytest.mark.parametrize(
    ("least", "most", "score", "places"),
    [
        (1, 9, 0.5, [1, 3, 2]),
        (1, 2, 0.5, [1, 3]),
        (4, 9, 0.5, [1, 3, 2, 4]),
        (9, 9, 1.0, [1, 3, 2, 4, 0]),
        (1, 9, 0.95, [1]),
    ],
)
def test_the_best_are_kept_between_the_bounds(least: int, most: int, score: float, places: list[int]) -> None:
    settings = RegionSettings(min_boxes=least, max_boxes=most, min_score=score)
    assert best_boxes(SCORES, settings).tolist() == places


def test_a_box_that_overlaps_a_better_one_is_dropped() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 4], [20, 20, 30, 30]], np.float32)
    scores = np.array([0.5, 0.9, 0.8, 0.1])
    assert without_overlaps(boxes, scores, 0.5).tolist() == [1, 0, 3]  # 4/5 of the second overlaps, 5/10 of the first
    assert without_overlaps(boxes, scores, 0.49).tolist() == [1, 3]
    assert without_overlaps(boxes, scores, 1.0).tolist() == [1, 2, 0, 3]
    assert without_overlaps(boxes[:0], scores[:0], 0.5).tolist() == []
