"""Rules at, and just past, their bounds; the first failing rule decides."""

import pytest

from corpusloom.schemas.verdicts import Kept, Rejected, Rule, decide


@pytest.mark.parametrize(
    ("rule", "value", "kept"),
    [
        (Rule(reason="r", score="s", minimum=64), 64, True),
        (Rule(reason="r", score="s", minimum=64), 63.9, False),
        (Rule(reason="r", score="s", minimum=200, strict=True), 200, False),
        (Rule(reason="r", score="s", maximum=3), 3, True),
        (Rule(reason="r", score="s", maximum=3, strict=True), 3, False),
        (Rule(reason="r", score="s", maximum=0), 0.0, True),
    ],
)
def test_bounds(rule: Rule, value: float, kept: bool) -> None:
    verdict = rule.judge(value)
    assert isinstance(verdict, Kept) == kept
    if isinstance(verdict, Rejected):
        assert verdict.measured == value
        assert verdict.threshold == (rule.minimum if rule.minimum is not None else rule.maximum)


def test_the_first_failing_rule_in_order_decides_and_unreached_scores_pass() -> None:
    rules = (Rule(reason="a", score="x", minimum=1), Rule(reason="b", score="y", minimum=1))
    assert decide({"x": 0, "y": 0}, rules) == Rejected("a", 0, 1)
    assert decide({"y": 0}, rules) == Rejected("b", 0, 1)
    assert decide({"x": None, "y": 1}, rules) == Kept()
