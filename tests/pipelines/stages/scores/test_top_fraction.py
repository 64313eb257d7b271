"""The threshold of the best share is that of a sorted list of all scores; equal scores share a verdict."""

from fractions import Fraction
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.stages.scores.top_fraction import add_counts, top_threshold

SCORES = st.lists(st.integers(-10_000, 10_000) | st.integers(2_800, 2_805), min_size=1, max_size=60)


@given(SCORES, st.integers(1, 100), st.integers(1, 5))
def test_it_is_the_score_of_the_last_one_of_the_best(scores: list[int], percent: int, parts: int) -> None:
    shares: list[dict[int, int]] = [{} for _ in range(parts)]
    for place, score in enumerate(scores):
        share = shares[place % parts]
        share[score] = share.get(score, 0) + 1
    found = top_threshold(add_counts(shares), percent / 100)
    last = sorted(scores, reverse=True)[ceil(Fraction(percent, 100) * len(scores)) - 1]
    assert found == last / 10_000


def test_three_of_ten_scores_are_thirty_percent() -> None:
    assert top_threshold(dict.fromkeys(range(10), 1), 0.3) == 0.0007
    assert top_threshold({5: 8, 9: 1, 7: 1}, 0.3) == 0.0005  # all eight equal ones are kept
    assert top_threshold({}, 0.3) == 0.0
