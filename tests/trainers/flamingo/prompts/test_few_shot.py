"""The shots of a query."""

import numpy as np

from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.prompts.episodes import Example
from corpusloom.trainers.flamingo.prompts.few_shot import Trials
from corpusloom.trainers.flamingo.prompts.pool import ShotPool
from tests.trainers.flamingo.test_data import VOCABULARY

ITEMS = [Example(np.full((1, 3, 8, 8), 30 * n, np.uint8), f"text {n}", key=str(n)) for n in range(6)]
POOL = ShotPool(6, ITEMS.__getitem__, True, "items")


def numbers(shots: list[Example]) -> list[int]:
    """Return the numbers of examples."""
    return [int(shot.key) for shot in shots]


def test_random_shots_depend_on_the_query_and_the_seed_and_fewer_are_the_first_of_more(model: Flamingo) -> None:
    trials = Trials(model, VOCABULARY, ITEMS, POOL, None, EvaluationSettings())
    found = {(query, seed): numbers(trials.shots(query, 4, seed)) for query in (0, 1) for seed in (0, 1)}
    assert len({tuple(shots) for shots in found.values()}) == 4
    assert all(query not in shots and len(set(shots)) == 4 for (query, _), shots in found.items())
    assert numbers(trials.shots(0, 2, 0)) == found[0, 0][:2]


def test_similar_shots_stand_with_the_best_last_and_without_the_query(model: Flamingo) -> None:
    trials = Trials(model, VOCABULARY, ITEMS, POOL, {3: [3, 5, 1, 0]}, EvaluationSettings())
    assert numbers(trials.shots(3, 2, 0)) == [1, 5]


def test_the_chosen_class_is_the_one_of_the_highest_score(model: Flamingo) -> None:
    trials = Trials(model, VOCABULARY, ITEMS, POOL, None, EvaluationSettings(prompt=""))
    (scores,) = trials.scores([2], 1, 0, [["a", "b", "c"]])
    assert trials.classes([2], 1, 0, ["a", "b", "c"]) == ["abc"[int(scores.argmax())]]
