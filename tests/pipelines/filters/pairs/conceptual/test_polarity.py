"""Polarity by a lexicon that needs no download."""

import pytest

from corpusloom.pipelines.filters.pairs.conceptual.polarity import measure_polarity


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("the best perfect wonderful day", 1.0, 1.0),
        ("a terrible awful disgusting rat", -1.0, -1.0),
        ("a table with four legs", 0.0, 0.0),
        ("a good day", 0.6, 0.8),
        ("not a good day", -0.4, -0.3),
        ("", 0.0, 0.0),
    ],
)
def test_polarity_is_the_mean_of_the_words_of_the_lexicon(text: str, low: float, high: float) -> None:
    assert low <= measure_polarity(text) <= high
