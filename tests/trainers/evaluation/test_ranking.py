"""Figures of scores against counts by hand."""

import math

import pytest
import torch

from corpusloom.trainers.evaluation.ranking import average_precision, ndcg, ranks_of_own, roc_auc


def test_auc_is_the_share_of_pairs_that_rank_rightly_with_ties_as_half() -> None:
    scores, positive = torch.tensor([0.9, 0.5, 0.5, 0.1]), torch.tensor([True, True, False, False])
    found = dict(roc_auc("auc", scores, positive))
    assert found["auc"] == pytest.approx((1 + 1 + 0.5 + 1) / 4)
    assert found["auc_low"] < found["auc"] <= found["auc_high"]
    assert (found["auc_n"], found["auc_chance"]) == (4, 0.5)


def test_the_interval_of_auc_is_that_of_hanley_and_mcneil() -> None:
    # area .8 of 50 and 100: q1 = .8 / 1.2, q2 = 1.28 / 1.8
    scores = torch.cat([torch.full((50,), 1.0), torch.full((20,), 2.0), torch.full((80,), 0.0)])
    found = dict(roc_auc("auc", scores, torch.arange(150) < 50))
    error = math.sqrt((0.16 + 49 * (0.8 / 1.2 - 0.64) + 99 * (1.28 / 1.8 - 0.64)) / 5000)
    assert found["auc"] == pytest.approx(0.8)
    assert found["auc_low"] == pytest.approx(0.8 - 1.959964 * error)


def test_auc_of_one_kind_is_not_a_number() -> None:
    assert math.isnan(dict(roc_auc("auc", torch.ones(2), torch.tensor([True, True])))["auc"])


def test_average_precision_weighs_items() -> None:
    scores, positive = torch.tensor([3.0, 2.0, 1.0]), torch.tensor([True, False, True])
    assert average_precision(scores, positive, torch.ones(3)) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(scores, positive, torch.tensor([1.0, 0.5, 1.0])) == pytest.approx((1 + 2 / 2.5) / 2)


def test_wrong_candidates_of_equal_score_rank_first() -> None:
    scores = torch.tensor([[1.0, 1.0, 0.0], [0.0, 2.0, 1.0]])
    assert ranks_of_own(scores, torch.tensor([0, 1])).tolist() == [2, 1]


def test_ndcg_is_cut_at_the_number_of_candidates_with_a_gain() -> None:
    gains = torch.tensor([[1.0, 0.5, 0.0, 0.0]])
    best = 1 + 0.5 / math.log2(3)
    assert ndcg(torch.tensor([[4.0, 3.0, 2.0, 1.0]]), gains).item() == pytest.approx(1)
    assert ndcg(torch.tensor([[3.0, 1.0, 4.0, 2.0]]), gains).item() == pytest.approx(1 / math.log2(3) / best)
    assert ndcg(torch.zeros(1, 4), gains).item() == 0  # ties: those without a gain rank first
