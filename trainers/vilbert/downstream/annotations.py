"""The annotations of a task: files as they are published, read once, and the parts of them that a run uses."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.vilbert.config import REFCOCO, VCR, VQA
from corpusloom.trainers.vilbert.downstream.config import TaskDataConfig
from corpusloom.trainers.vilbert.downstream.formats.expressions import read_expressions
from corpusloom.trainers.vilbert.downstream.formats.problems import read_problems
from corpusloom.trainers.vilbert.downstream.formats.questions import read_questions

ReadAnnotations = Callable[[Sequence[str], TaskDataConfig], list[Any]]
"""(files, data configuration) -> annotations of all splits, each with its number among them; at least one."""
READERS: Mapping[str, ReadAnnotations] = {VQA: read_questions, VCR: read_problems, REFCOCO: read_expressions}
"""Task -> reader of its annotations."""


def of_split(annotations: Sequence[Any], split: str | None, files: Sequence[str]) -> list[Any]:
    """Return the annotations of a split, or all if it is None; ConfigError if there are none."""
    found = [item for item in annotations if split in (None, item.split)]
    if not found:
        known = ", ".join(sorted({item.split for item in annotations}))
        what = f"no annotation is in split {split!r}"
        raise ConfigError(what, where=", ".join(files), remedy=f"there are: {known}")
    return found


def check_labelled(annotations: Sequence[Any], files: Sequence[str]) -> None:
    """Raise InputError that names the first annotation without a right answer, on which nothing can be learnt."""
    missing = next((item.key for item in annotations if not item.labelled), None)
    if missing is not None:
        remedy = "train on a split whose answers are published: data.split or data.annotations"
        raise InputError(f"annotation {missing} has no answer to learn", where=", ".join(files), remedy=remedy)
