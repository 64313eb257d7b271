"""Closed-ended scoring: the log likelihood of each candidate, means over orders of the shots, probabilities."""

import math

import pytest
import torch

from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.prompts import closed_ended
from corpusloom.trainers.flamingo.prompts.episodes import Example, episode
from corpusloom.trainers.flamingo.prompts.sequence import score
from tests.trainers.flamingo.prompts.test_sequence import BLUE, RED
from tests.trainers.flamingo.test_data import VOCABULARY

SHOTS = [Example(RED, "a red star"), Example(BLUE, "two blue rings"), Example(RED, "here")]
QUERY = Example(BLUE, "")
CLASSES = ["a red star", "two blue rings"]


def test_a_candidate_is_scored_as_it_would_stand_in_an_example(model: Flamingo) -> None:
    found = closed_ended.score_candidates(model, [(QUERY, SHOTS), (QUERY, [])], [CLASSES, CLASSES[:1]], VOCABULARY)
    rows = [episode(QUERY, SHOTS), episode(QUERY, [])]
    wanted = score(model, rows, [[f" {text}" for text in CLASSES], [f" {CLASSES[0]}"]], VOCABULARY)
    assert [len(scores) for scores in found] == [2, 1]
    assert all(torch.allclose(*both, atol=1e-4) for both in zip(found, wanted, strict=True))


def test_an_ensemble_is_the_mean_over_orders_of_the_shots(model: Flamingo) -> None:
    (found,) = closed_ended.score_candidates(model, [(QUERY, SHOTS)], [CLASSES], VOCABULARY, permutations=4)
    chosen = closed_ended.orders(3, 4)
    each = [
        closed_ended.score_candidates(model, [(QUERY, [SHOTS[place] for place in order])], [CLASSES], VOCABULARY)[0]
        for order in chosen
    ]
    assert torch.allclose(found, torch.stack(each).mean(0), atol=1e-4)
    assert float(torch.stack(each).std(0).min()) > 0.01


@pytest.mark.parametrize(("shots", "permutations", "wanted"), [(4, 6, 6), (3, 6, 6), (2, 6, 2), (0, 6, 1), (8, 1, 1)])
def test_orders_are_distinct_and_no_more_than_there_are(shots: int, permutations: int, wanted: int) -> None:
    found = closed_ended.orders(shots, permutations)
    assert len(set(found)) == len(found) == wanted
    assert all(sorted(order) == list(range(shots)) for order in found)


def test_the_probability_of_yes_is_normalised_over_both_answers() -> None:
    scores = torch.tensor([[math.log(0.06), math.log(0.02)]])
    assert closed_ended.probabilities(scores)[0, 0] == pytest.approx(0.75)
