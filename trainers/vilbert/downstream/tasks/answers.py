"""The answer vocabulary of VQA: the normalised answers that are the most frequent one of enough questions."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.evaluation.answers.normalise import normalise
from corpusloom.trainers.vilbert.downstream.formats.questions import Question


@dataclass(frozen=True)
class AnswerVocabulary:
    """Answers that a model may choose, in normal form, the most frequent first."""

    answers: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.answers)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {answer: number for number, answer in enumerate(self.answers)}

    def counts(self, answers: Sequence[str]) -> dict[int, int]:
        """Return number of an answer -> how many annotators gave it, for those in the vocabulary.

        Answers are normalised first, as the official evaluation does. The public code compares them as they were
        typed, so that "Yes." scores nothing there.
        """
        numbers = self._numbers
        found = Counter(numbers.get(normalise(" ".join(answer.split()))) for answer in answers)
        return {number: count for number, count in found.items() if number is not None}

    def to_json(self) -> bytes:
        """Return the answers as a JSON list, as a checkpoint has them."""
        return (json.dumps(list(self.answers), ensure_ascii=False) + "\n").encode()


def read_answers(data: bytes) -> AnswerVocabulary:
    """Return the vocabulary of a checkpoint."""
    return AnswerVocabulary(tuple(json.loads(data)))


def build_answers(questions: Iterable[Question], where: str, least: int) -> AnswerVocabulary:
    """Return the answers that are the most frequent one of at least `least` questions; InputError if there are none.

    With 9 these are 3,129 answers of train2014 and val2014 (arXiv 1708.02711, section 3.3).
    """
    counts = Counter(normalise(" ".join(question.choice.split())) for question in questions if question.answers)
    kept = sorted(((-count, answer) for answer, count in counts.items() if count >= least and answer))
    if not kept:
        what = f"no answer is the most frequent one of {least} questions"
        raise InputError(what, where=where, remedy="give the annotations of train2014 and val2014")
    return AnswerVocabulary(tuple(answer for _, answer in kept))
