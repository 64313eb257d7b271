"""Figures of a frozen CLIP: its own choice between two images, and a ridge regression on its embeddings."""

import numpy as np
import pytest
import torch

from corpusloom.trainers.clip.zero_shot import frozen_figures as module
from corpusloom.trainers.clip.zero_shot.frozen_figures import frozen_figures, ridge


def test_a_ridge_regression_solves_its_normal_equations() -> None:
    generator = torch.Generator().manual_seed(0)
    features, labels = torch.randn(40, 5, generator=generator), torch.arange(40) % 3
    weights = ridge(features, labels, 3, strength=2.0)
    rows = torch.cat([features, torch.ones(40, 1)], 1).double()
    weights.requires_grad_(True)
    error = (rows @ weights - torch.nn.functional.one_hot(labels, 3)).square().sum() + 2.0 * weights.square().sum()
    error.backward()  # type: ignore[no-untyped-call]
    assert weights.grad is not None
    assert weights.grad.abs().max() < 1e-9


def test_captions_are_compared_with_two_images_and_attributes_found_by_ridge(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = torch.eye(3).repeat(4, 1)
    texts = ["red", "green", "blue"] * 4

    class Clip:
        def eval(self) -> None: ...

        def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
            return torch.eye(3)[tokens]

    class Tokenizer:
        def rows(self, given: list[str]) -> np.ndarray:
            return np.array([{"red": 0, "green": 1, "blue": 0}[text] for text in given])

    monkeypatch.setattr(module, "load_clip", lambda path: (Clip(), Tokenizer()))
    monkeypatch.setattr(module, "_embed", lambda clip, data: (vectors, texts))
    found = frozen_figures("run", "train", "test", lambda text: {"colour": text})
    assert found["right_image_likelier"] == pytest.approx(2 / 3)  # "blue" is nearer to the red image, which is the next
    assert (found["colour_named"], found["colour_named_chance"]) == (1.0, pytest.approx(1 / 3))
