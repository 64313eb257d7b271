"""The first failing rule is the reason of a rejection, in both implementations of select, whatever else fails."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from corpusloom.pipelines.stages.select.steps import Judge
from corpusloom.schemas.records import Head
from corpusloom.schemas.verdicts import Rule
from tests.pipelines.stages.select.bodies import on_an_engine, on_one_machine, write_fragments

RULES = (
    Rule(reason="few_a", score="a", minimum=2.0, maximum=5.0),
    Rule(reason="few_b", score="b", minimum=2.0, strict=True),
    Rule(reason="many_c", score="c", maximum=5.0, strict=True),
)
VALUES = (None, 1.0, 2.0, 3.0, 5.0, 6.0, float("nan"))
"""No score; scores below, at, between and above the bounds; NaN."""
FAILS: dict[str, Callable[[float], float | None]] = {
    "few_a": lambda value: 2.0 if value < 2 else 5.0 if value > 5 else None,
    "few_b": lambda value: 2.0 if value <= 2 else None,
    "many_c": lambda value: 5.0 if value >= 5 else None,
}
"""Reason -> its bound."""


def heads() -> list[Head]:
    """Return a head for each combination of three values."""
    found = []
    for number, values in enumerate(itertools.product(VALUES, repeat=3)):
        scores = {name: value for name, value in zip("abc", values, strict=True) if value is not None}
        found.append(Head(unit="page", key=f"{number:032x}", parent="p", url="u", scores=scores))
    return found


def expected(head: Head, rules: tuple[Rule, ...]) -> tuple[str | None, float | None, float | None]:
    """Return reason, measured value and threshold that a head must be rejected with."""
    for rule in rules:
        value = head.scores.get(rule.score)
        bound = FAILS[rule.reason](value) if value is not None else None
        if bound is not None:
            return rule.reason, value, bound
    return None, None, None


@pytest.mark.parametrize(
    "rules", list(itertools.permutations(RULES)), ids=lambda rules: "-".join(r.score for r in rules)
)
def test_one_machine_names_the_first_failing_rule(rules: tuple[Rule, ...], tmp_path: Path) -> None:
    check(on_one_machine(write_fragments(heads(), tmp_path), (Judge("Judge", rules),), tmp_path), rules)


@pytest.mark.parametrize("rules", [RULES, RULES[::-1]], ids=["abc", "cba"])
def test_an_engine_names_the_first_failing_rule(rules: tuple[Rule, ...], tmp_path: Path) -> None:
    check(on_an_engine(write_fragments(heads(), tmp_path), (Judge("Judge", rules),), tmp_path / "out"), rules)


def check(decided: list[Head], rules: tuple[Rule, ...]) -> None:
    """Compare decided heads with the expected reasons; of two rules that fail the earlier counts."""
    by_key = {head.key: head for head in decided}
    for head in heads():
        found, wanted = by_key.pop(head.key), expected(head, rules)
        assert (found.reason, found.measured, found.threshold) == wanted
        assert found.outcome == ("kept" if wanted[0] is None else "rejected")
    assert not by_key


def test_a_head_that_an_earlier_step_rejected_keeps_its_reason(tmp_path: Path) -> None:
    steps = tuple(Judge(rule.reason, (rule,)) for rule in RULES)
    paths = write_fragments(heads(), tmp_path)
    check(on_one_machine(paths, steps, tmp_path), RULES)
    check(on_an_engine(paths, steps, tmp_path / "engine"), RULES)
