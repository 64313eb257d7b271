"""R@k against small cases counted by hand, and against the formulas of CLIP_benchmark in numpy."""

import numpy as np
import pytest
import torch

from corpusloom.trainers.clip.zero_shot.retrieval import figures as module
from corpusloom.trainers.clip.zero_shot.retrieval.figures import retrieval


def test_an_image_is_a_hit_when_any_of_its_texts_is_among_the_first_k() -> None:
    images = torch.eye(3)
    texts = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, 1, 0], [0.1, 0.2, 0.3]])
    image_of = torch.tensor([0, 0, 1, 2])
    figures = dict(retrieval(images, texts, image_of, ks=(1, 2)))
    assert figures["image_retrieval_r1"] == 0.75
    assert figures["text_retrieval_r1"] == pytest.approx(2 / 3)
    assert figures["text_retrieval_r2"] == 1.0


def test_a_wrong_candidate_of_equal_similarity_ranks_first() -> None:
    copies = torch.ones(4, 2)
    figures = dict(retrieval(copies, copies, torch.arange(4), ks=(1, 4)))
    assert figures["image_retrieval_r1"] == 0
    assert figures["image_retrieval_r4"] == 1


def recall_in_numpy(scores: np.ndarray, positive: np.ndarray, k: int) -> float:
    """Return the share of rows with a positive among the k highest scores: (Q, K), (Q, K) bool."""
    return float(np.mean([positive[row, np.argsort(-scores[row])[:k]].any() for row in range(len(scores))]))


def test_recall_with_several_texts_per_image_is_that_of_the_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS", 7)
    random = np.random.default_rng(0)
    image_of = np.repeat(np.arange(40), random.integers(1, 6, 40))
    images = random.normal(size=(40, 4))
    texts = images[image_of] + random.normal(size=(len(image_of), 4))
    figures = dict(retrieval(torch.tensor(images), torch.tensor(texts), torch.tensor(image_of)))
    scores, positive = texts @ images.T, image_of[:, None] == np.arange(40)
    for k in (1, 5, 10):
        assert figures[f"image_retrieval_r{k}"] == pytest.approx(recall_in_numpy(scores, positive, k))
        assert figures[f"text_retrieval_r{k}"] == pytest.approx(recall_in_numpy(scores.T, positive.T, k))
    assert 0.2 < figures["text_retrieval_r1"] < 1
    assert figures["image_retrieval_r5_chance"] == pytest.approx(5 / 40)
    counts, total = np.bincount(image_of), len(image_of)
    assert figures["text_retrieval_r1_chance"] == pytest.approx(np.mean(counts / total))
    assert (figures["n"], figures["images"]) == (total, 40)


def test_one_text_of_several_images_is_wrong_for_all_but_its_own() -> None:
    texts = torch.tensor([[1.0, 0], [1.0, 0], [0, 1.0]])
    figures = dict(retrieval(texts, texts, torch.arange(3), ks=(1, 2)))
    assert figures["image_retrieval_r1"] == figures["text_retrieval_r1"] == pytest.approx(1 / 3)
    assert figures["image_retrieval_r2"] == figures["text_retrieval_r2"] == 1
