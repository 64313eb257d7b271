"""Reads VQA v2's files: questions, and the ten answers to each (arXiv 1612.00837)."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.formats.rows import RawRecord, read_json, record_errors
from corpusloom.trainers.vilbert.downstream.config import TaskDataConfig

TRAIN, MINVAL = "train", "minval"
TYPES = {"_yes_no": "yes/no", "_number": "number", "_other": "other"}
"""End of a figure's name -> type of the answers, as in the annotations."""
_REMEDY = "give v2_OpenEnded_mscoco_..._questions.json and v2_mscoco_..._annotations.json as they are published"


@dataclass(frozen=True, slots=True)
class Question:
    """A question about an image, and the annotators' answers."""

    number: int
    """Number among the questions, which are in the order of their ids."""
    key: str
    """The question's id."""
    image: int
    """COCO's number of the image."""
    text: str
    answers: tuple[str, ...] = ()
    """Answers as they were given, ten of them; none in a split whose answers are not published."""
    choice: str = ""
    """The most frequent answer, `multiple_choice_answer`."""
    type: str = ""
    """Type of the answer: yes/no, number or other."""
    alias: ClassVar[str | None] = None
    split: str = TRAIN
    """train or minval."""

    @property
    def labelled(self) -> bool:
        """Return whether there are answers."""
        return bool(self.answers)


def read_questions(files: Sequence[str], data: TaskDataConfig) -> list[Question]:
    """Return the questions of all files in the order of their ids.

    `files` are files of questions and of annotations in any order. The split minval has the `data.minval` questions of
    val files with the largest ids, as in the public code, and train all others. Raises InputError for a question
    without answers if some have answers.
    """
    answered, asked = dict[int, RawRecord](), list[tuple[str, int, RawRecord, bool]]()
    for path in files:
        content = read_json(path)
        with record_errors(path):
            if "questions" in content:
                held_out = str(content.get("data_subtype", "")).startswith("val")
                asked += [(path, number, row, held_out) for number, row in enumerate(content["questions"])]
            elif "annotations" in content:
                answered |= {int(row["question_id"]): row for row in content["annotations"]}
            else:
                raise InputError("has neither questions nor annotations", where=path, remedy=_REMEDY)
    if not asked:
        raise InputError("no file of questions", where=", ".join(files), remedy=_REMEDY)
    found = [(_question(path, number, row, answered), held_out) for path, number, row, held_out in asked]
    found.sort(key=lambda pair: int(pair[0].key))
    held = [question.key for question, held_out in found if held_out][-data.minval :] if data.minval else []
    minval = set(held)
    return [
        replace(question, number=number, split=MINVAL if question.key in minval else TRAIN)
        for number, (question, _) in enumerate(found)
    ]


def _question(path: str, number: int, row: RawRecord, answered: dict[int, RawRecord]) -> Question:
    with record_errors(path, number):
        key = int(row["question_id"])
        plain = Question(0, str(key), int(row["image_id"]), str(row["question"]))
        if not answered:
            return plain
        if key not in answered:
            raise InputError(f"question {key} has no annotation", where=path, remedy=_REMEDY)
        found = answered[key]
        return replace(
            plain,
            answers=tuple(sys.intern(str(entry["answer"])) for entry in found["answers"]),
            choice=sys.intern(str(found["multiple_choice_answer"])),
            type=sys.intern(str(found["answer_type"])),
        )
