"""Figures of evaluations: ranks, intervals and values by chance, against counts by hand and by simulation."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.trainers.evaluation.figures import (
    NotFiniteError,
    check_finite,
    mean,
    mean_of_groups,
    over_seeds,
    rank_of,
    recall_by_chance,
    recalls,
    share,
    wilson,
)


def test_rank_is_the_number_of_wrong_ones_before_the_best_right_one() -> None:
    scores = torch.tensor([[3.0, 2.0, 5.0, 4.0]])
    assert rank_of(scores, torch.tensor([[True, False, False, True]])).tolist() == [1]


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_contains_the_share(case: tuple[int, int]) -> None:
    successes, total = case
    low, high = wilson(successes, total)
    assert 0 <= low <= successes / total + 1e-12
    assert successes / total - 1e-12 <= high <= 1


def test_the_interval_is_that_of_wilson() -> None:
    low, high = wilson(40, 100)
    assert (low, high) == (pytest.approx(0.3094, abs=1e-4), pytest.approx(0.4980, abs=1e-4))
    assert wilson(0, 0) == (0.0, 1.0)


def test_a_share_has_its_interval_and_its_chance() -> None:
    figures = dict(share("top1", torch.tensor([True] * 40 + [False] * 60), 0.25))
    low, high = wilson(40, 100)
    assert figures == {
        "top1": pytest.approx(0.4), "top1_low": low, "top1_high": high, "top1_n": 100, "top1_chance": 0.25,
    }  # fmt: skip


def test_a_mean_has_the_interval_of_a_normal_distribution() -> None:
    figures = dict(mean("f1", torch.tensor([0.0, 1.0] * 50), 0.1))
    assert figures["f1"] == 0.5
    assert figures["f1_high"] - figures["f1_low"] == pytest.approx(2 * 1.96 * 0.5025 / 10, abs=1e-3)
    assert dict(mean("f1", torch.tensor([0.5]), 0.1))["f1_high"] == math.inf


def test_each_group_counts_the_same() -> None:
    hits, groups = torch.tensor([True, True, True, False]), torch.tensor([3, 3, 3, 7])
    figures = dict(mean_of_groups("recall", hits, groups, 0.125))
    assert figures["recall"] == 0.5
    assert 0 <= figures["recall_low"] < 0.5 < figures["recall_high"] <= 1
    assert figures["recall_chance"] == 0.125


@pytest.mark.parametrize("k", [1, 2, 5, 9])
def test_recall_by_chance_is_that_of_random_scores(k: int) -> None:
    positive = torch.zeros(3, 6, dtype=torch.bool)
    positive[0, 0] = positive[1, 1:3] = positive[2, 3:] = True
    generator = torch.Generator().manual_seed(0)
    draws = [rank_of(torch.rand(3, 6, generator=generator), positive) < k for _ in range(2000)]
    assert recall_by_chance(positive.sum(1), 6, k) == pytest.approx(float(torch.stack(draws).float().mean()), abs=0.02)


def test_one_image_of_n_is_found_by_chance_with_k_of_n() -> None:
    figures = dict(recalls("r", torch.eye(20), torch.eye(20).bool(), (1, 5)))
    assert (figures["r1_chance"], figures["r5_chance"]) == (pytest.approx(0.05), pytest.approx(0.25))
    assert figures["r1"] == figures["r5"] == 1


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_rows_that_are_not_finite_are_counted(bad: float) -> None:
    values = torch.ones(4, 3)
    check_finite(values, "images")
    values[1, 2] = values[1, 0] = values[3, 1] = bad
    with pytest.raises(NotFiniteError, match="embeddings of 2 of 4 images are not finite"):
        check_finite(values, "images")


def test_a_mean_over_seeds_has_the_interval_of_its_queries_and_the_deviation_of_its_seeds() -> None:
    values = torch.tensor([[1.0, 0.0, 3.0], [3.0, 2.0, 3.0]])
    found = dict(over_seeds("x", values, 0.5))
    assert found == dict(mean("x", torch.tensor([2.0, 1.0, 3.0]), 0.5)) | {"x_std_of_seeds": found["x_std_of_seeds"]}
    assert found["x_std_of_seeds"] == pytest.approx(math.sqrt(2) * (8 / 3 - 4 / 3) / 2)


def test_the_interval_of_shares_does_not_vanish_if_all_are_equal() -> None:
    found = dict(over_seeds("x", torch.zeros(1, 5), 0.5, shares=True))
    assert (found["x"], found["x_low"]) == (0, 0)
    assert found["x_high"] == pytest.approx(wilson(0, 5)[1])
    assert "x_std_of_seeds" not in found
