"""Regions of a detector that predicts boxes: the best are kept, and a fault is the reason of its image."""

import dataclasses
import io

import numpy as np
import pytest

from corpusloom.pipelines.models.query_detector import Queries
from corpusloom.pipelines.recipes.region_settings import RegionSettings
from corpusloom.pipelines.stages.regions.queries import QueryRegions
from corpusloom.schemas.records import DetectorOutput
from tests.pipelines.stages.regions.shard_of_pairs import pair

FOUND = Queries(
    boxes=np.array([[0, 0, 9, 9], [0, 0, 9.04, 9], [20, 20, 40, 40], [30, 0, 40, 10]], np.float32),
    features=np.arange(4, dtype=np.float32)[:, None].repeat(3, 1),
    class_probs=np.full((4, 2), 0.5, np.float32),
    scores=np.array([0.5, 0.9, 0.1, 0.7], np.float32),
)


def describe(found: Queries, image: bytes | None = None, **settings: float) -> DetectorOutput:
    """Return what is stored of an image in which a detector finds `found`."""
    item = pair(1)
    if image is not None:
        item.members["png"] = image
    chosen = RegionSettings(**({"min_boxes": 1, "min_score": 0.5} | settings))  # type: ignore[arg-type]
    (output,) = QueryRegions(lambda _: found, chosen).describe([item])
    return output


def test_the_best_boxes_that_overlap_no_better_one_are_kept_best_first() -> None:
    arrays = np.load(io.BytesIO(describe(FOUND).regions))
    assert arrays["features"][:, 0].tolist() == [1, 3]  # 0 overlaps 1, 2 is below the score
    assert arrays["boxes"].tolist() == [[0, 0, 9.0625, 9], [30, 0, 40, 10]]  # sixteenths of a pixel


def test_the_settings_decide_how_many() -> None:
    assert describe(FOUND, max_boxes=1).count == 1
    assert describe(FOUND, min_score=0.1).count == 3
    assert describe(FOUND, max_overlap=1.0).count == 3
    assert describe(FOUND, min_boxes=3).count == 3
    arrays = np.load(io.BytesIO(describe(FOUND, min_boxes=4).regions))
    assert arrays["features"][:, 0].tolist() == [1, 3, 2, 0]  # overlapping ones fill up, the best first


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"features": np.full((4, 3), np.nan)}, "detector_not_finite"),
        ({"scores": np.full(4, np.nan)}, "detector_not_finite"),
        ({"boxes": np.full((4, 4), np.nan)}, "detector_not_finite"),
        ({"features": np.zeros((3, 3))}, "detector_wrong_shape"),
        ({"boxes": np.zeros((0, 4)), "features": np.zeros((0, 3)), "scores": np.zeros(0)}, "detector_wrong_shape"),
        ({"class_probs": np.full((4, 2), 0.9)}, "not_probabilities"),
    ],
)
def test_a_fault_is_the_reason_of_its_image(changes: dict[str, np.ndarray], reason: str) -> None:
    output = describe(dataclasses.replace(FOUND, **changes))
    assert (output.error, output.regions) == (reason, b"")


def test_an_image_that_cannot_be_decoded_has_its_reason() -> None:
    assert describe(FOUND, b"broken").error == "not_an_image"
