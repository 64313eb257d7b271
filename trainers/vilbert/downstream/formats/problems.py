"""Reads VCR's files: questions with four answers and four rationales each (arXiv 1811.10830).

Texts mention objects of the image by their numbers. A person becomes a gender-neutral name, as in the published code,
any other object the name of its class.
"""

import hashlib
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.formats.rows import RawRecord, json_lines, record_errors
from corpusloom.trainers.vilbert.downstream.config import TaskDataConfig
from corpusloom.trainers.vilbert.downstream.texts import Choices

CHOICES = 4
"""Answers of a question, and rationales."""
NAMES = (
    "alex", "avery", "blake", "cameron", "casey", "charlie", "dana", "drew", "jamie", "jordan", "kelly", "lee",
    "morgan", "pat", "quinn", "riley", "robin", "sam", "taylor", "terry",
)  # fmt: skip
PERSON = "person"
_REMEDY = "give train.jsonl, val.jsonl or test.jsonl as VCR publishes them"


@dataclass(frozen=True, slots=True)
class Problem:
    """Four texts of which one is right: answers to a question, or rationales of one answer."""

    number: int
    """Number among the problems of the files."""
    key: str
    """QUESTION/answer, or QUESTION/rationaleN for the rationales of answer N."""
    question: str
    """VCR's id of the question, `annot_id`."""
    image: str
    """Name of the image without its ending."""
    alias: str
    """VCR's id of the image, `img_id`: in tars no key has the dots that its names have."""
    text: Choices
    """The question, or question and answer, before each choice."""
    label: int | None
    """Number of the right choice; None if it is not published."""
    given: int | None
    """Number of the answer whose rationales these are; None: these are the answers."""
    split: str
    """Beginning of the question's id: train, val or test."""

    @property
    def labelled(self) -> bool:
        """Return whether the right choice is known."""
        return self.label is not None


def read_problems(files: Sequence[str], data: TaskDataConfig) -> list[Problem]:
    """Return the problems of all files, .jsonl: per question its answers and the rationales of the right answer.

    Where the right answer is not published, the rationales of each of the four answers are problems of their own.
    Raises InputError that names the record for a mention of an object that is not there, and for other than four
    choices.
    """
    found: list[Problem] = []
    for path in files:
        for number, row in enumerate(json_lines(path)):
            with record_errors(path, number):
                found += _problems(path, number, row, len(found))
    if not found:
        raise InputError("no question", where=", ".join(files), remedy=_REMEDY)
    return found


def _problems(path: str, number: int, row: RawRecord, first: int) -> Iterator[Problem]:
    key, objects = str(row["annot_id"]), [str(name) for name in row["objects"]]
    names = names_of(objects, key)

    def read(words: Sequence[Any]) -> str:
        return " ".join(_mentions(names, word) if isinstance(word, list) else str(word) for word in words)

    question = read(row["question"])
    answers, rationales = (tuple(map(read, row[f"{kind}_choices"])) for kind in ("answer", "rationale"))
    for kind, texts in (("answers", answers), ("rationales", rationales)):
        if len(texts) != CHOICES:
            raise InputError(f"record {number}: {len(texts)} {kind}, not {CHOICES}", where=path, remedy=_REMEDY)
    right, reason = (_label(row, f"{kind}_label") for kind in ("answer", "rationale"))
    image = posixpath.splitext(posixpath.basename(str(row["img_fn"])))[0]
    make = partial(Problem, question=key, image=image, alias=str(row["img_id"]), split=key.partition("-")[0])
    yield make(first, f"{key}/answer", text=Choices((question,), answers), label=right, given=None)
    for offset, given in enumerate(range(CHOICES) if right is None else [right], 1):
        text = Choices((question, answers[given]), rationales)
        yield make(first + offset, f"{key}/rationale{given}", text=text, label=reason, given=given)


def _mentions(names: Sequence[str], numbers: Sequence[int]) -> str:
    """Return the names of the objects that a text mentions together; IndexError for an object that is not there."""
    if any(number < 0 for number in numbers):
        raise IndexError("a text mentions an object with a negative number")
    return " and ".join(names[number] for number in numbers)


def _label(row: Mapping[str, Any], name: str) -> int | None:
    if row.get(name) is None:
        return None
    label = int(row[name])
    if not 0 <= label < CHOICES:
        raise ValueError(f"{name} is {label}")
    return label


def names_of(objects: Sequence[str], key: str) -> list[str]:
    """Return a name per object: people get distinct ones in an order that the key determines, until names run out."""
    digest = hashlib.sha256(key.encode()).digest()  # has a byte per name
    order = [name for _, name in sorted(zip(digest, NAMES, strict=False))]
    people = iter(range(len(objects)))
    return [order[next(people) % len(order)] if name == PERSON else name for name in objects]
