"""CIDEr-D against values by hand (two images, so each n-gram of one image weighs log 2) and pycocoevalcap's."""

import math

import numpy as np
import pytest

from corpusloom.trainers.evaluation.captions.cider import cider


@pytest.mark.parametrize(
    ("caption", "score"),
    [
        ("a b c d e", 10.0),
        ("x y", 0.0),
        ("", 0.0),
        # one of five words: cosine 1 / sqrt 5 for n = 1 alone; four words fewer
        ("a", 10 / 4 / math.sqrt(5) * math.exp(-16 / 72)),
        # clipping: weight 5 counts as 1; cosine 1 * 1 / (5 * sqrt 5); (a, a) is in no reference
        ("a a a a a", 10 / 4 / (5 * math.sqrt(5))),
    ],
)
def test_the_score_is_that_of_the_formula(caption: str, score: float) -> None:
    references = [[["a", "b", "c", "d", "e"]], [["v", "w"]]]
    assert cider([caption.split(), []], references)[0] == pytest.approx(score)


def test_the_score_is_the_mean_over_references() -> None:
    references = [[["a", "b", "c", "d"], ["p", "q", "r", "s"]], [["v", "w"]]]
    assert cider([["a", "b", "c", "d"], ["v"]], references)[0] == pytest.approx(5.0)


def test_what_every_image_says_weighs_nothing() -> None:
    references = [[["the", "a"]], [["the", "b"]]]
    the, both = cider([["the"], ["the", "b"]], references)
    assert the == 0.0
    assert both == pytest.approx(5.0)  # n = 1 and n = 2 agree, and there are no longer n-grams


def test_the_scores_are_those_of_pycocoevalcap() -> None:
    package = pytest.importorskip("pycocoevalcap.cider.cider")
    rng = np.random.default_rng(0)

    def words(least: int) -> list[str]:
        return [f"w{min(9, number)}" for number in rng.geometric(0.2, rng.integers(least, 12))]

    for images in (1, 2, 7, 200):
        references = [[words(1) for _ in range(rng.integers(1, 6))] for _ in range(images)]
        captions = [own[0] if number % 3 == 0 else words(0) for number, own in enumerate(references)]
        references[-1] = references[0]
        texts = {number: [" ".join(text) for text in own] for number, own in enumerate(references)}
        written = {number: [" ".join(text)] for number, text in enumerate(captions)}
        _, wanted = package.Cider().compute_score(texts, written)
        assert cider(captions, references) == pytest.approx(list(wanted), abs=1e-9)
