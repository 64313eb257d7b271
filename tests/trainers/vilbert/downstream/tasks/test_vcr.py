"""VCR's loss, accuracies and submission agree with cases worked out by hand."""

import csv
import math

import pytest
import torch

from corpusloom.trainers.evaluation.finished import Measured
from corpusloom.trainers.vilbert.downstream.formats.problems import Problem
from corpusloom.trainers.vilbert.downstream.tasks.vcr import COLUMNS, VCRTask
from corpusloom.trainers.vilbert.downstream.texts import Choices

TASK, TEXT = VCRTask(), Choices(("?",), ("a", "b", "c", "d"))


def problem(number: int, question: str, given: int | None, label: int | None) -> Problem:
    return Problem(number, f"{question}/{given}", question, "i", "j", TEXT, label, given, "val")


PROBLEMS = [
    problem(0, "val-0", None, 1), problem(1, "val-0", 1, 2),
    problem(2, "val-1", None, 0), problem(3, "val-1", 0, 3),
    problem(4, "val-2", None, 3), problem(5, "val-2", 3, 3),
    problem(6, "val-3", None, 0),
]  # fmt: skip
CHOSEN = [1, 2, 0, 1, 0, 3, 0]
"""val-0: both right; val-1: the answer alone; val-2: the rationale alone; val-3: the answer, without a rationale."""


def measured(chosen: list[int]) -> Measured:
    logits = torch.nn.functional.one_hot(torch.tensor(chosen), 4) * math.log(3)
    return Measured(TASK.measure(logits, {}))  # probabilities 3/6 and three times 1/6


def test_an_answer_and_its_rationale_must_both_be_right() -> None:
    values = TASK.figures(PROBLEMS, measured(CHOSEN)).values
    assert values["q_to_a"] == pytest.approx(3 / 4)
    assert values["qa_to_r"] == pytest.approx(2 / 3)
    assert values["q_to_ar"] == pytest.approx(1 / 3)
    assert [values[f"{name}_chance"] for name in ("q_to_a", "qa_to_r", "q_to_ar")] == [0.25, 0.25, 0.0625]
    assert [values[f"{name}_n"] for name in ("q_to_a", "qa_to_r", "q_to_ar")] == [4, 3, 3]
    assert set(TASK.figure_names()) == set(values) - {"questions"}


def test_the_submission_has_a_row_per_question_in_their_order_whatever_that_of_the_batches() -> None:
    backwards = TASK.figures(PROBLEMS[::-1], measured(CHOSEN[::-1])).files["submission.csv"]
    assert backwards == TASK.figures(PROBLEMS, measured(CHOSEN)).files["submission.csv"]
    rows = list(csv.DictReader(backwards.decode().splitlines()))
    assert tuple(rows[0]) == COLUMNS
    assert [row["annot_id"] for row in rows] == ["val-0", "val-1", "val-2", "val-3"]
    assert [float(rows[0][f"answer_{n}"]) for n in range(4)] == pytest.approx([1 / 6, 1 / 2, 1 / 6, 1 / 6])
    assert [float(rows[0][f"rationale_conditioned_on_a1_{n}"]) for n in range(4)] == pytest.approx(
        [1 / 6, 1 / 6, 1 / 2, 1 / 6]
    )
    assert rows[0]["rationale_conditioned_on_a0_0"] == ""


def test_the_loss_is_the_cross_entropy_over_the_choices() -> None:
    logits, batch = torch.tensor([[0.0, 0, 0, 0], [math.log(3), 0, 0, 0]]), {"label": torch.tensor([2, 0])}
    torch.testing.assert_close(TASK.losses(logits, batch), torch.tensor([math.log(4), math.log(2)]))
    assert TASK.scores(logits, batch).tolist() == [0.0, 1.0]
