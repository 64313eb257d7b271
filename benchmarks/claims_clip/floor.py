"""A baseline of zero-shot classification: a linear map from pixels to words, without learned features.

Shapes: N training pairs, M test pictures, C classes, W words, D features.
"""

import re
from collections.abc import Sequence

import cv2
import numpy as np

SIDE = 8
PENALTY = 100.0
"""Weight of the squared coefficients; figures change little from 10 to 1,000."""


def features(pictures: np.ndarray) -> np.ndarray:
    """Return (N, D): the picture at 8 x 8 pixels, and a constant: (N, H, W, 3) uint8 -> float32."""
    small = [cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA).ravel() for picture in pictures]
    return np.concatenate([np.stack(small) / np.float32(255) - 0.5, np.ones((len(small), 1), np.float32)], 1)


def words_of(text: str) -> set[str]:
    """Return the words of a text, in lower case."""
    return set(re.findall(r"\w+", text.lower()))


def bags(texts: Sequence[str], vocabulary: dict[str, int]) -> np.ndarray:
    """Return (N, W): rows of norm 1 with a weight for each word of the text that the vocabulary has."""
    rows = np.zeros((len(texts), len(vocabulary)), np.float32)
    for row, text in zip(rows, texts, strict=True):
        row[[vocabulary[word] for word in words_of(text) if word in vocabulary]] = 1
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1)


def linear_scores(
    pictures: np.ndarray, captions: Sequence[str], unseen: np.ndarray, classes: Sequence[str]
) -> np.ndarray:
    """Return (M, C): ridge regression of the captions' words on the pictures, and its cosine with each class name.

    Words are weighted by their rarity, so that "of" and "a" count little.
    """
    vocabulary = {word: at for at, word in enumerate(sorted(set().union(*map(words_of, captions))))}
    found = bags(captions, vocabulary)
    rarity = np.log(len(captions) / (found > 0).sum(0))
    x, y = features(pictures), found * rarity
    weights = np.linalg.solve(x.T @ x + PENALTY * np.eye(x.shape[1], dtype=np.float32), x.T @ y)
    predicted, named = features(unseen) @ weights, bags(classes, vocabulary) * rarity
    scale = np.linalg.norm(predicted, axis=1, keepdims=True) * np.maximum(np.linalg.norm(named, axis=1), 1e-9)
    return predicted @ named.T / scale
