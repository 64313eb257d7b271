"""The floor: a linear map finds a name that follows from the colour."""

import numpy as np

from benchmarks.claims_clip.floor import linear_scores
from corpusloom.trainers.evaluation.word_ridge import words_of

COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}


def painted(rng: np.random.Generator, colour: str) -> np.ndarray:
    noise = rng.integers(-20, 20, (16, 16, 3))
    return (np.array(COLOURS[colour]) + noise).clip(0, 255).astype(np.uint8)


def test_colours_are_named() -> None:
    rng = np.random.default_rng(0)
    names = [*COLOURS] * 100
    pictures = np.stack([painted(rng, name) for name in names])
    scores = linear_scores(pictures, [f"a {name} ground" for name in names], pictures[:9], [*COLOURS])
    assert scores.argmax(1).tolist() == [0, 1, 2] * 3


def test_a_class_of_unknown_words_has_no_score() -> None:
    pictures = np.zeros((4, 8, 8, 3), np.uint8)
    scores = linear_scores(pictures, ["a b", "b c", "c d", "d a"], pictures[:1], ["never seen"])
    assert np.isfinite(scores).all()
    assert words_of("A b-c") == {"a", "b", "c"}
