"""A baseline of zero-shot classification: a linear map from pixels to words, without learned features.

Shapes: N training pairs, M test pictures, C classes, D features.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from corpusloom.trainers.evaluation.word_ridge import fit_word_ridge

SIDE = 8
PENALTY = 100.0
"""Weight of the squared coefficients; figures change little from 10 to 1,000."""


def features(pictures: np.ndarray) -> np.ndarray:
    """Return (N, D): the picture at 8 x 8 pixels, (N, H, W, 3) uint8 -> float32."""
    small = [cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA).ravel() for picture in pictures]
    return np.stack(small) / np.float32(255) - 0.5


def linear_scores(
    pictures: np.ndarray, captions: Sequence[str], unseen: np.ndarray, classes: Sequence[str]
) -> np.ndarray:
    """Return (M, C): ridge regression of the captions' words on the pictures, and its cosine with each class name."""
    return fit_word_ridge(features(pictures), captions, PENALTY).scores(features(unseen), classes)
