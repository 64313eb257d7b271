"""Visual commonsense reasoning (VCR): one of four answers, one of four rationales (arXiv 1908.02265, section 3.2).

Q->A and QA->R are problems of one kind and are trained together. Q->AR counts the questions of which both are right,
the rationale being chosen for the right answer, as the leaderboard does.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from corpusloom.trainers.evaluation.batches import Figures
from corpusloom.trainers.evaluation.figures import share
from corpusloom.trainers.evaluation.finished import Measured
from corpusloom.trainers.stream.samples.typed import RegionsSample
from corpusloom.trainers.vilbert.downstream.formats.problems import CHOICES, Problem

ANSWER, RATIONALE, BOTH = "q_to_a", "qa_to_r", "q_to_ar"
CHANCE = {ANSWER: 1 / CHOICES, RATIONALE: 1 / CHOICES, BOTH: 1 / CHOICES**2}
COLUMNS = (
    "annot_id",
    *(f"answer_{choice}" for choice in range(CHOICES)),
    *(f"rationale_conditioned_on_a{given}_{choice}" for given in range(CHOICES) for choice in range(CHOICES)),
)
"""Columns of a submission to the leaderboard."""


@dataclass(frozen=True)
class VCRTask:
    """Choice among four texts."""

    choices: ClassVar[int | None] = CHOICES

    def targets(self, annotation: Problem, sample: RegionsSample) -> dict[str, np.ndarray]:
        """Return the number of the right choice, -1 if it is not known."""
        return {"label": np.array(-1 if annotation.label is None else annotation.label)}

    def example(self, rows: int) -> dict[str, Tensor]:
        """Return labels of 0."""
        return {"label": torch.zeros(rows, dtype=torch.int64)}

    def losses(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the cross-entropy over the choices: (B, C) -> (B,)."""
        return F.cross_entropy(logits, batch["label"], reduction="none")

    def scores(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Return 1 if the likeliest choice is right, else 0, (B,)."""
        return (logits.argmax(1) == batch["label"]).to(logits.dtype)

    def measure(self, logits: Tensor, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the probabilities of the choices, (B, C)."""
        return {"probabilities": logits.softmax(1)}

    def figures(self, annotations: Sequence[Problem], found: Measured) -> Figures:
        """Return the accuracies of Q->A, QA->R and Q->AR over the questions with labels, and the submission."""
        probabilities = found.tensors["probabilities"]
        right = defaultdict[str, dict[str, bool]](dict)
        for item, choice in zip(annotations, probabilities.argmax(1).tolist(), strict=True):
            if item.label is not None:
                right[item.question][ANSWER if item.given is None else RATIONALE] = choice == item.label
        files = {"submission.csv": submission(annotations, probabilities.tolist())}
        values = {"questions": float(len({item.question for item in annotations}))}
        if not right:
            return Figures(values, notes=("no labels are given: no figures; --out FILE keeps outputs",), files=files)
        for name, parts in ((ANSWER, {ANSWER}), (RATIONALE, {RATIONALE}), (BOTH, {ANSWER, RATIONALE})):
            hits = [all(own[part] for part in parts) for own in right.values() if parts <= own.keys()]
            values |= dict(share(name, torch.tensor(hits, dtype=torch.bool), CHANCE[name])) if hits else {}
        return Figures(values, files=files)

    def figure_names(self) -> tuple[str, ...]:
        """Return the names of the figures."""
        hits = torch.ones(2, dtype=torch.bool)
        return tuple(figure for name in CHANCE for figure in dict(share(name, hits, 0.0)))


def submission(annotations: Sequence[Problem], probabilities: Sequence[Sequence[float]]) -> bytes:
    """Return the leaderboard's CSV: one row per question with the probabilities of its problems, in their order.

    Rationales of answers that were not scored, which are all wrong ones of a question with labels, have empty cells.
    """
    rows = dict[str, dict[str, str | float]]()
    ordered = sorted(zip(annotations, probabilities, strict=True), key=lambda pair: pair[0].number)
    for item, values in ordered:
        group = "answer" if item.given is None else f"rationale_conditioned_on_a{item.given}"
        row = rows.setdefault(item.question, {"annot_id": item.question})
        row |= {f"{group}_{choice}": value for choice, value in enumerate(values)}
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows.values())
    return text.getvalue().encode()
