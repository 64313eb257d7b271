"""The nearest images are those of a search over all distances, on any number of ranks, and stand in a checkpoint."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.config import ParallelConfig
from corpusloom.trainers.vilbert.downstream.join import join
from corpusloom.trainers.vilbert.retrieval import neighbours
from corpusloom.trainers.vilbert.retrieval.captioned import read_captioned
from corpusloom.trainers.vilbert.retrieval.neighbours import (
    NONE,
    find_neighbours,
    from_bytes,
    mean_features,
    nearest,
    to_bytes,
)
from tests.trainers.ranks import run_ranks
from tests.trainers.vilbert.region_pairs import region_sample, write_regions
from tests.trainers.vilbert.retrieval.caption_files import write_karpathy

SETTINGS = EvaluationSettings(batch_size=5)


def test_the_nearest_rows_stand_in_the_order_of_their_distance() -> None:
    points = torch.tensor([[0.0], [10.0], [1.0], [7.0], [-2.0]], dtype=torch.float64)
    assert nearest(points, [0, 3], 3).tolist() == [[2, 4, 3], [1, 2, 0]]


def test_of_rows_at_equal_distance_the_first_count() -> None:
    points = torch.tensor([[3.0, 4.0], [0.0, 0.0], [5.0, 0.0], [0.0, -5.0], [0.0, 0.0]], dtype=torch.float64)
    assert nearest(points, [1], 2).tolist() == [[4, 0]]
    assert nearest(points, [4], 3).tolist() == [[1, 0, 2]]


def test_the_distance_is_that_of_mean_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK", 4)
    path = write_regions(tmp_path / "regions", 11)
    joined = join(path, read_captioned([write_karpathy(tmp_path / "d.json", range(12))], None).images)
    numbers, means = mean_features(path, joined, 6, SETTINGS)
    own = np.stack([region_sample(number).features[:6].astype(np.float32).mean(0) for number in range(11)])
    np.testing.assert_allclose(means[numbers.argsort()].float(), own, atol=2e-3)
    table = find_neighbours(path, joined, 12, 6, 5, SETTINGS)
    exact = own.astype(np.float16).astype(np.float64)
    for image in range(11):
        distances = np.square(exact - exact[image]).sum(1)
        distances[image] = np.inf
        assert table[image].tolist() == np.argsort(distances, kind="stable")[:5].tolist()
    assert (table[11] == NONE).all()  # the dataset lacks it


def test_there_are_no_more_neighbours_than_other_images(tmp_path: Path) -> None:
    path = write_regions(tmp_path / "regions", 3)
    joined = join(path, read_captioned([write_karpathy(tmp_path / "d.json", range(3))], None).images)
    assert find_neighbours(path, joined, 3, 6, 100, SETTINGS).shape == (3, 2)


def test_one_image_alone_is_refused(tmp_path: Path) -> None:
    path = write_regions(tmp_path / "regions", 2)
    joined = join(path, read_captioned([write_karpathy(tmp_path / "d.json", [1])], None).images)
    with pytest.raises(InputError, match="one image alone has no hard captions"):
        find_neighbours(path, joined, 1, 6, 100, SETTINGS)


def _of_ranks(path: str, file: str) -> dict[str, Tensor]:
    torch.set_num_threads(1)
    with distributed.mesh_session("cpu", ParallelConfig()):
        joined = join(path, read_captioned([file], None).images)
        return {"table": torch.from_numpy(find_neighbours(path, joined, 11, 6, 5, SETTINGS))}


def test_ranks_find_the_same_neighbours_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, file = write_regions(tmp_path / "regions", 11), write_karpathy(tmp_path / "d.json", range(11))
    expected = find_neighbours(path, join(path, read_captioned([file], None).images), 11, 6, 5, SETTINGS)
    for found in run_ranks(partial(_of_ranks, path, file), tmp_path, 2):
        assert np.array_equal(found["table"], expected)


def test_a_table_is_read_again_if_it_is_of_the_same_images() -> None:
    table = np.array([[1, 2], [0, 2], [NONE, NONE]], np.int32)
    found = from_bytes(to_bytes(table, "these"), "these")
    assert found is not None
    assert np.array_equal(found, table)
    assert from_bytes(to_bytes(table, "these"), "others") is None
