"""One text or several become the model's inputs, each cut by itself."""

import numpy as np

from corpusloom.trainers.vilbert.downstream.texts import Choices, text_inputs, texts_of
from corpusloom.trainers.vilbert.tokenizer import make_tokenizer
from tests.trainers.vilbert.folders import WORDS

TOKENIZER = make_tokenizer({word: number for number, word in enumerate(WORDS)})


def test_one_text_has_no_segments() -> None:
    found = text_inputs(TOKENIZER, "a disc", 5)
    assert found.keys() == {"tokens", "token_mask"}
    assert found["tokens"].tolist() == [2, 5, 10, 3, 0]
    assert found["token_mask"].tolist() == [True] * 4 + [False]


def test_each_choice_stands_behind_the_context_and_is_cut_by_itself() -> None:
    found = text_inputs(TOKENIZER, Choices(("a a a", "red"), ("blue", "disc disc disc disc disc")), 9)
    assert found["tokens"].tolist() == [
        [2, 5, 5, 5, 3, 6, 3, 8, 3],
        [2, 5, 5, 5, 3, 10, 10, 10, 3],
    ]
    assert found["segments"].tolist() == [[0] * 7 + [1] * 2, [0] * 5 + [1] * 4]
    assert found["token_mask"].all()
    again = text_inputs(TOKENIZER, Choices(("a a a", "red"), ("disc disc disc disc disc", "blue")), 9)
    for name, rows in found.items():  # a choice that is cut changes no other one
        np.testing.assert_array_equal(again[name], rows[::-1])


def test_a_vocabulary_is_learnt_from_all_texts() -> None:
    assert list(texts_of("a disc")) == ["a disc"]
    assert list(texts_of(Choices(("q", "a"), ("x", "y")))) == ["q", "a", "x", "y"]
