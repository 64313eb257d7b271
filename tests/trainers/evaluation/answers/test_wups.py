"""WUPS of answers, against products by hand."""

from pathlib import Path

import pytest

from corpusloom.trainers.evaluation.answers.wordnet import read_wordnet
from corpusloom.trainers.evaluation.answers.wups import lemmas, load_stop_words, wups
from tests.trainers.evaluation.answers.test_wordnet import write_wordnet


def test_the_lower_direction_counts_and_words_like_none_are_left_out(tmp_path: Path) -> None:
    wordnet = read_wordnet(write_wordnet(tmp_path))
    assert wups("A dog.", "a cat", wordnet) == pytest.approx(4 / 6)
    assert wups("dog", "cat man", wordnet) == pytest.approx(4 / 6 * 2 / 5)  # man is like dog by the entity alone
    assert wups("dog zebra", "dog", wordnet) == 1.0
    assert wups("zebra", "dog", wordnet) == 0.0
    assert wups("", "dog", wordnet) == 0.0


def test_stop_words_are_left_out_by_their_lemmas(tmp_path: Path) -> None:
    wordnet = read_wordnet(write_wordnet(tmp_path))
    (tmp_path / "stopwords.txt").write_text("the\nman\n")
    stops = load_stop_words(str(tmp_path / "stopwords.txt"))
    assert lemmas("The men ran, dogs!", wordnet, stops) == ["run", "dog"]
    assert wups("dog", "the cat, the man", wordnet, stops) == pytest.approx(4 / 6)
