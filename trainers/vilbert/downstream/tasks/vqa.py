"""Visual question answering (VQA v2): one of the frequent answers is chosen (arXiv 1908.02265, section 3.2).

An answer's target is its official accuracy, so the loss is that of arXiv 1708.02711: binary cross-entropy with soft
scores, summed over the answers.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from corpusloom.trainers.evaluation.answers.accuracy import VQA_ENOUGH, vqa_accuracy
from corpusloom.trainers.evaluation.answers.normalise import NOT_OFFICIAL
from corpusloom.trainers.evaluation.batches import Figures
from corpusloom.trainers.evaluation.figures import mean
from corpusloom.trainers.evaluation.finished import Measured
from corpusloom.trainers.stream.samples.typed import RegionsSample
from corpusloom.trainers.vilbert.downstream.formats.questions import TYPES, Question
from corpusloom.trainers.vilbert.downstream.tasks.answers import AnswerVocabulary

ACCURACY = "accuracy"


def soft_scores(answers: Sequence[str], vocabulary: AnswerVocabulary) -> np.ndarray:
    """Return the score of each answer of the vocabulary, float32 (answers,): 0, .3, .6, .9, 1 for 0 to 4 of 10.

    It is the leave-one-out mean of min(n / 3, 1): of `count` of `all` annotators, those `count` have count - 1 others.
    """
    found, scores = vocabulary.counts(answers), np.zeros(len(vocabulary), np.float32)
    for number, count in found.items():
        own, other = min((count - 1) / VQA_ENOUGH, 1.0), min(count / VQA_ENOUGH, 1.0)
        scores[number] = (count * own + (len(answers) - count) * other) / len(answers)
    return scores


@dataclass(frozen=True)
class VQATask:
    """Choice among the answers of a vocabulary."""

    vocabulary: AnswerVocabulary
    choices: ClassVar[int | None] = None

    def targets(self, annotation: Question, sample: RegionsSample) -> dict[str, np.ndarray]:
        """Return the soft scores of all answers."""
        return {"scores": soft_scores(annotation.answers, self.vocabulary)}

    def example(self, rows: int) -> dict[str, Tensor]:
        """Return soft scores of 0."""
        return {"scores": torch.zeros(rows, len(self.vocabulary))}

    def losses(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the binary cross-entropy, summed over answers: (B, answers) -> (B,)."""
        targets = batch["scores"].to(logits.dtype)
        return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(1)

    def scores(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the soft score of the likeliest answer, (B,)."""
        return batch["scores"].gather(1, logits.argmax(1, keepdim=True))[:, 0]

    def measure(self, logits: Tensor, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the number of the likeliest answer."""
        return {"answer": logits.argmax(1)}

    def figures(self, annotations: Sequence[Question], found: Measured) -> Figures:
        """Return the official accuracy, of all questions and by type of answer, and the submission.

        By chance is the accuracy of the vocabulary's most frequent answer.
        """
        given = [self.vocabulary.answers[number] for number in found.tensors["answer"].tolist()]
        rows = [{"question_id": int(item.key), "answer": text} for item, text in zip(annotations, given, strict=True)]
        files = {"submission.json": (json.dumps(rows) + "\n").encode()}
        values = {"questions": float(len(annotations))}
        if not all(item.answers for item in annotations):
            return Figures(values, notes=("no answers are given: no figures; --out FILE keeps outputs",), files=files)
        right = torch.tensor([vqa_accuracy(text, item.answers) for text, item in zip(given, annotations, strict=True)])
        prior = torch.tensor([vqa_accuracy(self.vocabulary.answers[0], item.answers) for item in annotations])
        for name, kind in (("", None), *TYPES.items()):
            chosen = torch.tensor([kind in (None, item.type) for item in annotations])
            if chosen.any():
                values |= dict(mean(f"{ACCURACY}{name}", right[chosen], float(prior[chosen].mean())))
        return Figures(values, notes=(NOT_OFFICIAL,), files=files)

    def figure_names(self) -> tuple[str, ...]:
        """Return the names of the figures."""
        names = (f"{ACCURACY}{name}" for name in ("", *TYPES))
        return tuple(figure for name in names for figure in dict(mean(name, torch.ones(2), 0.0)))
