"""The linear floor of retrieval, on regions whose features tell colour and shape."""

from pathlib import Path

import numpy as np
import pytest

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.vilbert.retrieval.floor import floor_of_retrieval, mean_features
from tests.trainers.datasets import coloured_pairs, write_pairs
from tests.trainers.vilbert.region_pairs import region_sample, write_regions


def test_mean_features_are_the_means_of_an_images_regions(tmp_path: Path) -> None:
    features, captions = mean_features(write_regions(tmp_path / "r", 6), 4)
    samples = sorted((region_sample(number) for number in range(6)), key=lambda sample: sample.key)[:4]
    assert captions == [sample.text for sample in samples]
    np.testing.assert_allclose(features, np.stack([s.features.astype(np.float64).mean(0) for s in samples]))


def test_the_floor_finds_colours_and_shapes_of_unseen_images(tmp_path: Path) -> None:
    train, asked = write_regions(tmp_path / "train", 64), write_regions(tmp_path / "asked", 16, first=64)
    figures = floor_of_retrieval(train, asked)
    assert figures["r1"] > 0.8
    assert figures["n"] == 16
    assert figures["chance"] == 1 / 16


def test_pairs_without_regions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no regions"):
        mean_features(write_pairs(tmp_path / "p", coloured_pairs(3)))
