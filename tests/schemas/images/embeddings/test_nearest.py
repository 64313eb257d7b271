"""Nearest neighbours are exactly those of a full sort."""

from pathlib import Path

import numpy as np
import pytest

from corpusloom.schemas.images.embeddings.nearest import Nearest, nearest
from corpusloom.schemas.images.embeddings.sidecar import EmbeddingSidecar, open_sidecar
from tests.schemas.images.embeddings.sidecars import random_embeddings, write_sidecar

ROWS = random_embeddings(50)
QUERIES = random_embeddings(3, seed=1)


@pytest.fixture
def sidecar(tmp_path: Path) -> EmbeddingSidecar:
    return open_sidecar(write_sidecar(tmp_path / "s", ROWS, part=7))


def test_the_k_best_of_all_parts_are_found(sidecar: EmbeddingSidecar) -> None:
    scores = QUERIES.astype(np.float32) @ ROWS.astype(np.float32).T
    for found, row in zip(nearest(sidecar, QUERIES, 6), scores, strict=True):
        best = np.argsort(-row, kind="stable")[:6]
        assert [near.key for near in found] == [f"key-{number}" for number in best]
        assert [near.score for near in found] == pytest.approx(row[best])
    assert found[0].sha256 == f"{best[0]:064d}"


def test_an_image_is_left_out_and_k_may_exceed_the_images(sidecar: EmbeddingSidecar) -> None:
    own = f"{17:064d}"
    assert nearest(sidecar, ROWS[17:18], 1)[0][0].sha256 == own
    assert nearest(sidecar, ROWS[17:18], 1, without=[own])[0][0].sha256 != own
    assert len(nearest(sidecar, ROWS[17:18], 99, without=[own])[0]) == 49


def test_of_equal_scores_the_earlier_row_is_first() -> None:
    found = Nearest(1, 3)
    found.add(np.array([[0.5, 0.7, 0.5]], np.float32), 0)
    found.add(np.array([[0.5, 0.7]], np.float32), 10)
    assert found.numbers[0].tolist() == [1, 11, 0]
