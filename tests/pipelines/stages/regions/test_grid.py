"""Regions of a grid: each image has its own outputs, and one that cannot be decoded has a reason."""

import io
from collections.abc import Sequence

import numpy as np
import pytest

from corpusloom.pipelines.stages.regions.grid import GridRegions
from corpusloom.pipelines.stages.regions.pairs_of_shard import read_pairs
from corpusloom.schemas.records import ShardEntry
from tests.pipelines.stages.regions.shard_of_pairs import BROKEN, Constant, pair, write_pairs


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ShardEntry]:
    """Return a dataset of one shard of pairs, one of them with a broken image."""
    folder = str(tmp_path_factory.mktemp("pairs"))
    return folder, write_pairs(folder)


def test_each_image_has_its_own_outputs_although_one_is_broken(source: tuple[str, ShardEntry]) -> None:
    items = list(read_pairs(*source, 5))
    model = Constant()
    found = GridRegions(model, 36).describe(items)
    assert model.batches == [4]
    assert [output.sha256 for output in found] == [item.sha256 for item in items]
    assert [output.image_sha256 for output in found] == [item.row.sha256 for item in items]
    broken = found.pop(BROKEN)
    assert (broken.error, broken.regions, broken.count) == ("not_an_image", b"", 0)
    for place, output in enumerate(found):
        assert set(np.load(io.BytesIO(output.regions))["features"].ravel()) == {place}


class Wrong(Constant):
    """A detector whose second image gets wrong outputs."""

    def __init__(self, features: np.ndarray, class_probs: np.ndarray) -> None:
        super().__init__()
        self.wrong = features, class_probs

    def __call__(
        self, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray]
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        found = super().__call__(images, boxes)
        return [found[0], self.wrong, *found[2:]]


HALF = np.full((10, 2), 0.5, np.float32)


@pytest.mark.parametrize(
    ("features", "class_probs", "reason"),
    [
        (np.full((10, 4), np.nan), HALF, "detector_not_finite"),
        (np.full((10, 4), 1e5), HALF, "detector_not_finite"),  # infinite as float16
        (np.zeros((10, 4)), HALF * np.nan, "detector_not_finite"),
        (np.zeros((9, 4)), HALF, "detector_wrong_shape"),
        (np.zeros(10), HALF, "detector_wrong_shape"),
        (np.zeros((10, 0)), HALF, "detector_no_boxes"),
        (np.zeros((10, 4)), HALF * 2, "not_probabilities"),
    ],
)
def test_wrong_outputs_are_the_reason_of_their_image_alone(
    features: np.ndarray, class_probs: np.ndarray, reason: str
) -> None:
    found = GridRegions(Wrong(features, class_probs), 10).describe([pair(number) for number in range(3)])
    assert [output.error for output in found] == [None, reason, None]
    assert [output.count for output in found] == [10, 0, 10]


def test_at_most_so_many_boxes_are_kept() -> None:
    (output,) = GridRegions(Constant(), 3).describe([pair(1)])
    assert output.count == 3
    boxes = np.load(io.BytesIO(output.regions))["boxes"]
    assert boxes[0].tolist() == [0, 0, 48, 48]
