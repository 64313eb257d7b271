"""Right and wrong retrievals of a matrix of scores, computed by hand."""

import math

import pytest
import torch

from corpusloom.trainers.vilbert.page.rankings import choose_rankings, spread

SCORES = torch.tensor(
    [
        [0.9, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6],  # right
        [0.9, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6],  # its own image 1 is the last of seven
        [0.7, 0.1, 0.7, 0.3, 0.4, 0.5, 0.6],  # image 0 has the score of its own image 2
    ]
)


def test_a_ranking_has_the_first_images_and_the_rank_of_its_own() -> None:
    right, wrong = choose_rankings(SCORES, torch.tensor([0, 1, 2]), 8)
    assert [(one.caption, one.own, one.rank, one.right) for one in right] == [(0, 0, 1, True)]
    assert [(one.caption, one.own, one.rank, one.right) for one in wrong] == [(1, 1, 7, False), (2, 2, 2, False)]
    assert [image for image, _ in wrong[0].best] == [0, 6, 5, 4, 3]
    assert wrong[0].share == pytest.approx(1 / (1 + math.exp(-0.1)))
    assert wrong[0].best[0][1] == pytest.approx(1 / (1 + math.exp(-0.9))), "scores are log odds"
    assert [image for image, _ in wrong[1].best[:2]] == [0, 2], "an image of equal score stands before the own one"


def test_captions_are_chosen_evenly_and_no_more_than_asked_for() -> None:
    assert spread([], 3) == []
    assert spread([4, 5], 3) == [4, 5]
    assert spread(list(range(101)), 3) == [0, 50, 100]
    right, wrong = choose_rankings(torch.eye(20), torch.arange(20), 4)
    assert (len(right), wrong) == (4, [])


def test_several_captions_may_have_one_image() -> None:
    right, wrong = choose_rankings(torch.tensor([[0.9, 0.1], [0.2, 0.8]]), torch.tensor([0, 0]), 8)
    assert (right[0].caption, wrong[0].caption, wrong[0].own, wrong[0].rank) == (0, 1, 0, 2)
