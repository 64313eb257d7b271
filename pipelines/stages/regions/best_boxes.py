"""Chooses boxes by their scores: the best first, above a threshold, without overlapping ones."""

import numpy as np

from corpusloom.pipelines.recipes.region_settings import RegionSettings
from corpusloom.pipelines.stages.regions.boxes import overlap


def best_boxes(scores: np.ndarray, settings: RegionSettings) -> np.ndarray:
    """Return the places of the boxes to keep, the best first, of equal scores in their order: (n,) -> (m,).

    Those with `min_score` are kept, but at least `min_boxes` if there are so many, and at most `max_boxes`.
    """
    order = np.argsort(-scores, kind="stable")
    enough = int((scores >= settings.min_score).sum())
    return order[: min(max(enough, settings.min_boxes), settings.max_boxes)]


def best_apart(boxes: np.ndarray, scores: np.ndarray, settings: RegionSettings) -> np.ndarray:
    """Return the places of the boxes (n, 4) to keep, as `best_boxes` of those that overlap no better one.

    If these are fewer than `min_boxes`, the best of the others follow.
    """
    apart = without_overlaps(boxes, scores, settings.max_overlap)
    kept = apart[best_boxes(scores[apart], settings)]
    others = np.setdiff1d(np.arange(len(scores)), apart)
    more = max(settings.min_boxes - len(kept), 0)
    return np.concatenate([kept, others[np.argsort(-scores[others], kind="stable")][:more]])


def without_overlaps(boxes: np.ndarray, scores: np.ndarray, max_overlap: float) -> np.ndarray:
    """Return the places of the boxes (n, 4) that overlap no better one by a larger IoU, the best first (greedy)."""
    kept: list[int] = []
    for place in np.argsort(-scores, kind="stable"):
        if not kept or (overlap(boxes[place], boxes[kept]) <= max_overlap).all():
            kept.append(int(place))
    return np.array(kept, np.int64)
