"""Rules at, and just past, their bounds; the first failing rule decides."""

import pytest

from corpusloom.schemas.verdicts import Dead, Kept, Rejected, Rule, decide


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
def test_a_rule_keeps_values_up_to_its_bounds(rule: Rule, value: float, kept: bool) -> None:
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


@pytest.mark.parametrize("value", [0.9, 3.1])
def test_a_range_has_two_bounds(value: float) -> None:
    rule = Rule(reason="r", score="s", minimum=1, maximum=3)
    assert rule.judge(value) == Rejected("r", value, 1 if value < 1 else 3)
    assert rule.judge(1) == rule.judge(3) == Kept()


def test_a_bound_of_zero_is_a_bound() -> None:
    assert Rule(reason="r", score="s", maximum=0).judge(0.1) == Rejected("r", 0.1, 0)
    assert Rule(reason="r", score="s", minimum=0).judge(-0.1) == Rejected("r", -0.1, 0)
    assert Rule(reason="r", score="s").judge(-1e9) == Kept()


def test_a_strict_rule_refuses_its_bounds_alone() -> None:
    rule = Rule(reason="r", score="s", minimum=1, maximum=3, strict=True)
    assert [isinstance(rule.judge(value), Kept) for value in (0.9, 1, 1.1, 2.9, 3, 3.1)] == [
        False, False, True, True, False, False,
    ]  # fmt: skip
    assert rule.judge(3) == Rejected("r", 3, 3)


def test_a_passing_rule_does_not_end_the_decision() -> None:
    rules = (Rule(reason="a", score="x", minimum=1), Rule(reason="b", score="x", maximum=3))
    assert decide({"x": 5}, rules) == Rejected("b", 5, 3)
    assert decide({}, rules) == Kept()
    assert decide({"x": 0}, ()) == Kept()
    assert Rejected("r") == Rejected("r", None, None)
    assert Dead("e") == Dead("e", "", "")
