"""A recipe's table of scores names models and bounds."""

import pytest

from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.verdicts import Kept, Rejected, decide


def test_a_bound_needs_a_model() -> None:
    scores = load_recipe("align", ["filters.scores.clip.min_score=0.28"]).filters.scores
    assert scores is not None
    with pytest.raises(ConfigError, match=r"filters.scores.clip names no model.*set filters.scores.clip.model"):
        scores.models  # noqa: B018


def test_the_bound_is_a_rule_on_the_score_of_the_model() -> None:
    scores = load_recipe(
        "m3w", ["filters.scores.clip.model=x", "filters.scores.clip.min_score.above=0.3"]
    ).filters.scores
    assert scores is not None
    assert scores.models == {"clip": "x"}
    rules = scores.rules("clip")
    assert decide({"clip_score": 0.3001}, rules) == Kept()
    assert decide({"clip_score": 0.3}, rules) == Rejected("clip_score", 0.3, 0.3)
