"""A linear floor for models of images and captions: a ridge regression of a caption's words on an image's features.

Shapes: N training pairs, M images, C texts, D features, W words.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


def words_of(text: str) -> set[str]:
    """Return the words of a text, in lower case."""
    return set(re.findall(r"\w+", text.lower()))


def bags(texts: Sequence[str], vocabulary: dict[str, int]) -> np.ndarray:
    """Return (N, W): rows of norm 1 with a weight for each word of the text that the vocabulary has."""
    rows = np.zeros((len(texts), len(vocabulary)), np.float32)
    for row, text in zip(rows, texts, strict=True):
        row[[vocabulary[word] for word in words_of(text) if word in vocabulary]] = 1
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1)


@dataclass(frozen=True)
class WordRidge:
    """A linear map from features to words, which are weighted by their rarity, so that "of" and "a" count little."""

    vocabulary: dict[str, int]
    rarity: np.ndarray
    """Logarithm of the texts per text with the word, (W,)."""
    weights: np.ndarray
    """(D + 1, W); the last row belongs to a constant feature of 1."""

    def scores(self, features: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """Return the cosine of an image's predicted words with those of each text, (M, D) -> (M, C)."""
        predicted, named = with_one(features) @ self.weights, bags(texts, self.vocabulary) * self.rarity
        norms = np.linalg.norm(predicted, axis=1, keepdims=True) * np.linalg.norm(named, axis=1)
        return np.asarray(predicted @ named.T / np.maximum(norms, 1e-9))


def fit_word_ridge(features: np.ndarray, captions: Sequence[str], penalty: float) -> WordRidge:
    """Return the map that minimises squared error plus `penalty` times its squared coefficients, (N, D)."""
    vocabulary = {word: at for at, word in enumerate(sorted(set().union(*map(words_of, captions))))}
    found = bags(captions, vocabulary)
    rarity = np.log(len(captions) / (found > 0).sum(0))
    return WordRidge(vocabulary, rarity, ridge_weights(features, found * rarity, penalty))


def ridge_weights(features: np.ndarray, targets: np.ndarray, penalty: float) -> np.ndarray:
    """Return the weights, (D + 1, W), that minimise squared error plus `penalty` times their squares: (N, D), (N, W).

    The last row is the bias; it has the same penalty.
    """
    rows = with_one(features)
    return np.asarray(np.linalg.solve(rows.T @ rows + penalty * np.eye(rows.shape[1]), rows.T @ targets))


def with_one(features: np.ndarray) -> np.ndarray:
    """Append a column of ones, in double precision."""
    return np.concatenate([features.astype(np.float64), np.ones((len(features), 1))], 1)
