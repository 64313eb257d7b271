"""A region's feature depends on its image alone, to the bit, whatever else is in the batch."""

import numpy as np
import pytest

from pipelines.demo import drawing
from pipelines.detect.boxes import propose_boxes
from pipelines.detect.model import CLASSES, FEATURES, RegionModel, detector_name


@pytest.fixture(scope="module")
def model() -> RegionModel:
    """Return the model, loaded once."""
    return RegionModel()


def test_neighbours_and_padding_do_not_matter(model: RegionModel) -> None:
    images = [drawing.draw(drawing.make_picture("red star", seed)) for seed in range(10)]
    boxes = [propose_boxes(image) for image in images]
    together = model(images, boxes)
    alone = model(images[9:], boxes[9:])[0]
    moved = model(images[3:], boxes[3:])[6]
    for found in (alone, moved):
        assert np.array_equal(found[0], together[9][0])
        assert np.array_equal(found[1], together[9][1])
    assert together[0][0].shape == (len(boxes[0]), FEATURES)
    assert together[0][1].shape == (len(boxes[0]), CLASSES)


def test_the_detector_is_named_with_its_weights() -> None:
    assert detector_name().startswith("efficientnet-lite0-grid ")
