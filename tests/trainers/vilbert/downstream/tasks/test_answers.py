"""The answer vocabulary has the frequent answers in normal form."""

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.vilbert.downstream.formats.questions import Question
from corpusloom.trainers.vilbert.downstream.tasks.answers import AnswerVocabulary, build_answers, read_answers


def questions(*choices: str) -> list[Question]:
    return [Question(n, str(n), 1, "?", ("x",), choice) for n, choice in enumerate(choices)]


def test_answers_of_enough_questions_are_kept_the_most_frequent_first() -> None:
    found = build_answers(questions(*["Two"] * 9, *["the dog"] * 10, *["cat."] * 9, *["rare"] * 8), "x", 9)
    assert found.answers == ("dog", "2", "cat")
    assert read_answers(found.to_json()) == found


def test_annotators_are_counted_in_normal_form() -> None:
    assert AnswerVocabulary(("yes", "2")).counts(["Yes.", "yes", "two", "no", "A yes"]) == {0: 3, 1: 1}


def test_a_vocabulary_without_an_answer_is_refused() -> None:
    with pytest.raises(InputError, match="no answer is the most frequent one of 9 questions"):
        build_answers(questions("yes"), "x", 9)
