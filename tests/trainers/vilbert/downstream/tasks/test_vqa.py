"""VQA's soft scores and official accuracy agree with cases worked out by hand, and with each other."""

import json

import numpy as np
import pytest
import torch

from corpusloom.trainers.evaluation.answers.accuracy import vqa_accuracy
from corpusloom.trainers.evaluation.finished import Measured
from corpusloom.trainers.vilbert.downstream.formats.questions import Question
from corpusloom.trainers.vilbert.downstream.tasks.answers import AnswerVocabulary
from corpusloom.trainers.vilbert.downstream.tasks.vqa import VQATask, soft_scores
from tests.trainers.vilbert.downstream.worlds import region_sample

VOCABULARY = AnswerVocabulary(("yes", "no", "red"))


@pytest.mark.parametrize(("count", "score"), [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (7, 1.0), (9, 1.0)])
def test_a_soft_score_is_the_official_accuracy(count: int, score: float) -> None:
    answers = ["Yes"] * count + ["other"] * (10 - count)
    found = soft_scores(answers, VOCABULARY)
    np.testing.assert_allclose(found, [score, 0, 0], atol=1e-6)
    assert vqa_accuracy("yes", answers) == pytest.approx(score)


def test_a_question_whose_answers_are_outside_the_vocabulary_has_no_target_and_counts_as_wrong() -> None:
    task = VQATask(AnswerVocabulary(("yes", "no")))
    question = Question(0, "1", 1, "?", ("a zebra",) * 10, "a zebra", "other")
    targets = task.targets(question, region_sample(1))["scores"]
    assert targets.tolist() == [0.0, 0.0]
    logits = torch.tensor([[2.0, 0.0]])
    losses = task.losses(logits, {"scores": torch.from_numpy(targets)[None]})
    torch.testing.assert_close(losses, torch.log1p(torch.tensor([2.0, 0.0]).exp()).sum()[None])
    values = task.figures([question], Measured(task.measure(logits, {}))).values
    assert (values["accuracy"], values["questions"]) == (0, 1)


def test_the_loss_is_summed_over_answers() -> None:
    logits = torch.tensor([[0.0, 0.0, 0.0], [100.0, -100.0, -100.0]])
    batch = {"scores": torch.tensor([[1.0, 0.3, 0.0], [1.0, 0.0, 0.0]])}
    task = VQATask(VOCABULARY)
    torch.testing.assert_close(task.losses(logits, batch), torch.tensor([3 * 0.6931472, 0.0]))
    assert task.scores(torch.tensor([[0.0, 1, 0], [0.0, 1, 0]]), batch).tolist() == [pytest.approx(0.3), 0.0]


def test_figures_are_means_of_the_official_accuracy_by_type_of_answer() -> None:
    annotations = [
        Question(0, "7", 1, "?", ("yes",) * 9 + ("no",), "yes", "yes/no"),
        Question(1, "8", 1, "?", ("red",) * 2 + ("blue",) * 8, "blue", "other"),
        Question(2, "9", 1, "?", ("no",) * 3 + ("yes",) * 7, "yes", "yes/no"),
    ]
    found = VQATask(VOCABULARY).figures(annotations, Measured({"answer": torch.tensor([0, 2, 1])}))
    assert found.values["accuracy"] == pytest.approx((1.0 + 0.6 + 0.9) / 3)
    assert found.values["accuracy_yes_no"] == pytest.approx(0.95)
    assert found.values["accuracy_other"] == pytest.approx(0.6)
    assert found.values["accuracy_chance"] == pytest.approx((1.0 + 0.0 + 1.0) / 3)  # always "yes"
    assert json.loads(found.files["submission.json"]) == [
        {"question_id": 7, "answer": "yes"},
        {"question_id": 8, "answer": "red"},
        {"question_id": 9, "answer": "no"},
    ]
    assert set(found.values) - {"questions"} < set(VQATask(VOCABULARY).figure_names())
