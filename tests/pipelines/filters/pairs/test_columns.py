"""Bounds on columns are read from text; numbers of columns become scores, other values do not."""

import pytest

from corpusloom.pipelines.filters.pairs.columns import ColumnsConfig, column_scores, parse_bound, rules
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.verdicts import Kept, Rejected, Rule, decide

SIMILARITY = "column_similarity"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("similarity >= 0.28", Rule(reason=SIMILARITY, score=SIMILARITY, minimum=0.28)),
        ("similarity>.28", Rule(reason=SIMILARITY, score=SIMILARITY, minimum=0.28, strict=True)),
        (" similarity <= -1e-3 ", Rule(reason=SIMILARITY, score=SIMILARITY, maximum=-0.001)),
        ("similarity < 1", Rule(reason=SIMILARITY, score=SIMILARITY, maximum=1.0, strict=True)),
        ("clip l/14 >= 2", Rule(reason="column_clip l/14", score="column_clip l/14", minimum=2.0)),
    ],
)
def test_a_bound_is_a_column_a_comparison_and_a_number(text: str, rule: Rule) -> None:
    assert parse_bound(text) == rule


@pytest.mark.parametrize("text", ["", "similarity", "similarity >= ", "similarity = 1", ">= 1", "a >= b", "a >= 1-2"])
def test_any_other_text_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is no bound.*similarity >= 0\.28"):
        ColumnsConfig(bounds=(text,))


def test_numbers_and_booleans_are_scores_and_other_texts_are_not() -> None:
    texts = {
        "a": "0.5",
        "b": " 7 ",
        "c": "True",
        "d": "false",
        "e": "nan",
        "f": "inf",
        "g": "red",
        "h": "1_000",
        "i": "[1]",
    }
    assert column_scores(texts) == {"column_a": 0.5, "column_b": 7.0, "column_c": 1.0, "column_d": 0.0}


def test_two_bounds_of_a_column_make_a_range_and_a_row_without_a_number_passes() -> None:
    config = ColumnsConfig(bounds=("a >= 1", "a < 2", "b > 0"))
    assert config.columns == ("a", "b")
    verdicts = [decide(column_scores({"a": text}), rules(config)) for text in ("0.9", "1", "2", "none")]
    rejected = [(item.reason, item.measured, item.threshold) for item in verdicts if isinstance(item, Rejected)]
    assert rejected == [("column_a", 0.9, 1.0), ("column_a", 2.0, 2.0)]
    assert verdicts[1] == verdicts[3] == Kept()
