"""Embeddings are taken in the model's batches; cosines are rounded and finite, or none."""

import numpy as np
import pytest

from corpusloom.pipelines.models.clip_encoder import cosines, embed_images, embed_texts
from corpusloom.schemas.errors import ConfigError
from tests.pipelines.stages.scores.encoders import ColourEncoder
from tests.pipelines.stages.scores.scored_builds import picture


def test_images_are_embedded_in_batches_and_a_broken_one_has_a_reason() -> None:
    images = [picture((n, 0, 0)) for n in range(9)]
    images[5] = images[5][:-30]
    found, errors = embed_images(ColourEncoder("m"), images)
    assert found.shape == (9, 3)
    assert [*errors] == [5]
    assert not found[5].any()
    expected = np.array([8 + 1, 1, 1]) / np.sqrt(9 * 9 + 2)
    assert np.abs(found[8] - expected).max() < 1e-6


def test_embeddings_of_another_width_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"shape \(1, 3\), not \(1, 8\)"):
        embed_texts(ColourEncoder("m", width=8), ["a"])
    with pytest.raises(ConfigError, match=r"shape \(1, 3\), not \(1, 8\)"):
        embed_images(ColourEncoder("m", width=8), [picture((0, 0, 0))])


def test_a_cosine_has_four_decimals_no_negative_zero_and_is_none_if_it_is_not_finite() -> None:
    texts = np.array([[0.6, 0.8], [-1e-6, 0.0], [np.nan, 0.0], [np.inf, 0.0], [1 / 3, 0.0]])
    found = cosines(np.array([1.0, 0.0]), texts)
    assert found == [0.6, 0.0, None, None, 0.3333]
    assert str(found[1]) == "0.0"
