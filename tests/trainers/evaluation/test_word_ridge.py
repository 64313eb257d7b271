"""The linear floor: words are predicted from features, rare words count more, and unknown words not at all."""

import numpy as np

from corpusloom.trainers.evaluation.word_ridge import bags, fit_word_ridge, words_of

COLOURS, SHAPES = ("red", "green", "blue"), ("star", "ring", "disc")


def pictures(count: int, seed: int) -> tuple[np.ndarray, list[str]]:
    """Return features that hold colour and shape in noise, and captions."""
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, 3, (count, 2))
    features = rng.normal(0, 0.3, (count, 9))
    features[np.arange(count), chosen[:, 0]] += 1
    features[np.arange(count), 3 + chosen[:, 1]] += 1
    return features, [f"a picture of a {COLOURS[c]} {SHAPES[s]}" for c, s in chosen]


def test_words_are_lower_case_and_counted_once() -> None:
    assert words_of("A red, RED star!") == {"a", "red", "star"}
    found = bags(["red red star", "unknown"], {"red": 0, "star": 1})
    np.testing.assert_allclose(found, [[0.5**0.5, 0.5**0.5], [0, 0]], rtol=1e-6)


def test_the_words_of_unseen_images_are_found() -> None:
    features, captions = pictures(300, 0)
    asked, wanted = pictures(60, 1)
    names = [f"{colour} {shape}" for colour in COLOURS for shape in SHAPES]
    found = fit_word_ridge(features, captions, 1.0).scores(asked, names).argmax(1)
    right = [names[place] in caption for place, caption in zip(found, wanted, strict=True)]
    assert np.mean(right) > 0.9


def test_the_weights_minimise_squared_error_and_penalty() -> None:
    features, captions = pictures(40, 2)
    ridge = fit_word_ridge(features, captions, 2.0)
    rows = np.concatenate([features, np.ones((40, 1))], 1)
    targets = bags(captions, ridge.vocabulary) * ridge.rarity
    gradient = rows.T @ (rows @ ridge.weights - targets) + 2.0 * ridge.weights
    assert np.abs(gradient).max() < 1e-9


def test_a_word_in_every_caption_has_no_weight() -> None:
    ridge = fit_word_ridge(*pictures(40, 3), 1.0)
    assert ridge.rarity[ridge.vocabulary["picture"]] == 0
    assert (ridge.scores(np.ones((2, 9)), ["picture", "nothing known"]) == 0).all()
