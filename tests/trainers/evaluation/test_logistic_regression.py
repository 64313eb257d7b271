"""Logistic regression: the gradient at its minimum is zero, and the regularisation that generalises is found."""

import numpy as np
import pytest
import torch

from corpusloom.trainers.evaluation.logistic_regression import STRENGTHS, LinearClassifier, choose_strength, fit


def noisy(rows: int, width: int = 12, classes: int = 3, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return features of which two columns say something of the class, and labels."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, rows)
    features = random.normal(size=(rows, width))
    features[:, 0] += 1.5 * (labels == 0)
    features[:, 1] += 1.5 * (labels == 1)
    return torch.tensor(features, dtype=torch.float32), torch.tensor(labels)


def gradient(
    classifier: LinearClassifier, features: np.ndarray, labels: np.ndarray, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the gradient of C * sum of cross entropies + |W|^2 / 2, in numpy."""
    scores = features @ classifier.weight.numpy().T + classifier.bias.numpy()
    shares = np.exp(scores - scores.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    off = strength * (shares - np.eye(len(classifier.bias))[labels])
    return off.T @ features + classifier.weight.numpy(), off.sum(0)


@pytest.mark.parametrize("strength", [1e-4, 0.1, 10.0])
def test_the_gradient_is_zero_at_the_minimum(strength: float) -> None:
    features, labels = noisy(200)
    found = fit(features, labels, 3, strength)
    weight, bias = gradient(found, features.double().numpy(), labels.numpy(), strength)
    assert max(abs(weight).max(), abs(bias).max()) < 1e-5 * strength * 200 * 2


def test_the_minimum_does_not_depend_on_the_start() -> None:
    features, labels = noisy(200)
    again = fit(features, labels, 3, 1.0, fit(features, labels, 3, 1e-3))
    torch.testing.assert_close(again.weight, fit(features, labels, 3, 1.0).weight, atol=1e-3, rtol=1e-3)


def test_a_strength_that_generalises_is_chosen() -> None:
    train, held = noisy(40, 60), noisy(400, 60, seed=1)
    chosen = choose_strength(train, held, 3)
    assert chosen in STRENGTHS

    def accuracy(strength: float) -> float:
        return float((fit(*train, 3, strength)(held[0]).argmax(1) == held[1]).double().mean())

    assert accuracy(chosen) >= max(accuracy(strength) for strength in (1e-6, 1e-2, 1.0, 1e6))


def test_the_strengths_are_eight_per_decade() -> None:
    assert (len(STRENGTHS), STRENGTHS[0], STRENGTHS[-1]) == (97, pytest.approx(1e-6), pytest.approx(1e6))
    assert STRENGTHS[8] / STRENGTHS[0] == pytest.approx(10)
