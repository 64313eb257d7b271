"""A detection is stored as float32 and float16, or has a reason; the cases are those of its sources' tests."""

import numpy as np
import pytest

from corpusloom.pipelines.stages.regions.detections import Detection, DetectionError, output_of
from tests.pipelines.stages.regions.shard_of_pairs import pair


def detection(**changes: np.ndarray) -> Detection:
    arrays = {"boxes": np.array([[0.0, 0, 9, 9]]), "features": np.ones((1, 3)), "class_probs": np.ones((1, 1))}
    return Detection(10, 10, **arrays | changes)


def test_arrays_have_the_types_of_the_store() -> None:
    found = detection().checked()
    assert (found.boxes.dtype, found.features.dtype, found.class_probs.dtype) == (np.float32, np.float16, np.float16)


def test_no_box_is_a_reason_and_no_probabilities_are_none() -> None:
    nothing = {name: np.zeros((0, width)) for name, width in (("boxes", 4), ("features", 3), ("class_probs", 1))}
    with pytest.raises(DetectionError, match="detector_no_boxes"):
        detection(**nothing).checked()
    assert detection(class_probs=np.zeros((1, 0))).checked().class_probs.shape == (1, 0)


def test_the_row_of_the_store_says_where_a_reason_stood() -> None:
    output = output_of(pair(1), "key", detection(features=np.full((1, 3), np.inf)), "a.tsv:3")
    assert (output.sha256, output.error, output.place, output.regions) == ("key", "detector_not_finite", "a.tsv:3", b"")
    assert output.image_sha256 == pair(1).row.sha256
