"""A pair's score is the cosine of its stored embeddings."""

import numpy as np
import pytest

from corpusloom.trainers.embedding.pair_scores import cosines


def test_a_cosine_is_that_of_each_row_and_nan_without_an_embedding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corpusloom.trainers.embedding.pair_scores._ROWS", 2)
    images = np.array([[1, 0], [0.6, 0.8], [np.nan, np.nan]], np.float16)
    texts = np.array([[0, 1], [0.6, 0.8], [1, 0]], np.float16)
    assert cosines(images, texts) == pytest.approx([0, 1, np.nan], abs=1e-3, nan_ok=True)
    assert len(cosines(images[:0], texts[:0])) == 0
