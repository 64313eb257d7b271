"""Ground-truth boxes come from a dataset of their own, after the detected ones, in the size of the detected image."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.vilbert.downstream.formats.questions import Question
from corpusloom.trainers.vilbert.downstream.ground_truth import GroundTruth, joined_regions, open_ground_truth
from corpusloom.trainers.vilbert.downstream.join import join
from tests.trainers.vilbert.downstream.worlds import BOXES, ground_truth_sample, region_sample, write_images


def test_all_ground_truth_boxes_are_kept_and_detected_ones_are_cut() -> None:
    detected, more = region_sample(3), ground_truth_sample(3)
    for limit, kept in ((8, 4), (5, 3), (2, 0), (1, 0)):
        found = joined_regions(detected, more, limit)
        np.testing.assert_array_equal(found.boxes, np.concatenate([detected.boxes[:kept], BOXES[:2]]))
        np.testing.assert_array_equal(found.features, np.concatenate([detected.features[:kept], more.features]))
        assert (len(found.class_probs), found.boxes.dtype) == (kept + 2, np.float32)
        assert found.info == detected.info


def test_features_of_another_detector_are_refused() -> None:
    detected, more = region_sample(3), ground_truth_sample(3)
    more.features = more.features[:, :-1]
    with pytest.raises(ConfigError, match=rf"ground_truth: feature_width is 9 in sample {more.key}, and 10 in --data"):
        joined_regions(detected, more, 8)


def test_boxes_are_found_by_image_also_in_another_process(tmp_path: Path) -> None:
    path = write_images(tmp_path, [3, 5], ground_truth_sample)
    # a process of the loader gets it as a pickle of our own
    for found in (GroundTruth(path, True), pickle.loads(pickle.dumps(GroundTruth(path, True)))):
        sample = found.of(Question(0, "0", 5, "?"))
        np.testing.assert_array_equal(sample.features, ground_truth_sample(5).features)
        assert found.of(Question(0, "0", 4, "?")) is None


def test_images_without_boxes_are_counted_or_refused(tmp_path: Path) -> None:
    joined = join(write_images(tmp_path / "regions", [1, 2]), [Question(n, str(n), n, "?") for n in (1, 2)])
    some = write_images(tmp_path / "some", [2], ground_truth_sample)
    assert open_ground_truth(some, joined)[1] == (
        f"1 of 2 annotations have no ground-truth boxes: {some} lacks image 1, ...",
    )
    assert open_ground_truth(write_images(tmp_path / "all", [1, 2, 3]), joined)[1] == ()
    assert open_ground_truth(None, joined) == (None, ())
    with pytest.raises(InputError, match="other: has no sample of image 2, nor of any other"):
        open_ground_truth(write_images(tmp_path / "other", [9]), joined)
