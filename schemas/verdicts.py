"""Verdicts on a record: kept, rejected for a reason, or dead after an error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Scores: TypeAlias = dict[str, float]
"""Name of a filter's score -> measured value; a filter that was not reached has none."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The record goes on to the next stage."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The record breaks a rule."""

    reason: str
    """Stable word in snake_case."""
    measured: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Dead:
    """An error ended the processing of the record. Message and traceback are not part of the digest."""

    error: str
    """Stable class of the error."""
    message: str = ""
    traceback: str = ""


Verdict: TypeAlias = Kept | Rejected | Dead


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A range for one score: a record is rejected with `reason` if the score is outside [minimum, maximum].

    Bounds are inclusive (a score equal to a bound passes) unless `strict`, as in ALIGN's "> 200 px".
    """

    reason: str
    score: str
    minimum: float | None = None
    maximum: float | None = None
    strict: bool = False

    def judge(self, value: float) -> Verdict:
        """Return Kept, or Rejected with the bound that the value violates."""
        if self.minimum is not None and (value < self.minimum or (self.strict and value == self.minimum)):
            return Rejected(self.reason, value, self.minimum)
        if self.maximum is not None and (value > self.maximum or (self.strict and value == self.maximum)):
            return Rejected(self.reason, value, self.maximum)
        return Kept()


@dataclass(frozen=True, slots=True, kw_only=True)
class Above:
    """An exclusive lower bound: `{above = 200}` in a recipe, as in ALIGN's "> 200 px"."""

    above: float
    """The bound, which itself fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Below:
    """A largest value that fails itself: `{below = 3.0}` in a recipe, as in ALIGN's "< 3"."""

    below: float
    """The bound, which itself fails."""


def at_least(reason: str, score: str, bound: float | Above | None) -> Rule:
    """Return the rule that a score reaches a bound; None gives a rule without bounds, which passes everything."""
    if isinstance(bound, Above):
        return Rule(reason=reason, score=score, minimum=bound.above, strict=True)
    return Rule(reason=reason, score=score, minimum=bound)


def at_most(reason: str, score: str, bound: float | Below | None) -> Rule:
    """Return the rule that a score does not exceed a bound; None gives a rule without bounds."""
    if isinstance(bound, Below):
        return Rule(reason=reason, score=score, maximum=bound.below, strict=True)
    return Rule(reason=reason, score=score, maximum=bound)


def decide(scores: Mapping[str, float | None], rules: Sequence[Rule]) -> Verdict:
    """Return the verdict of the first rule that fails, in order. A rule whose score is missing passes.

    Rules read stored scores alone, so a threshold can be changed without measuring again.
    """
    for rule in rules:
        value = scores.get(rule.score)
        if value is None:
            continue
        verdict = rule.judge(value)
        if isinstance(verdict, Rejected):
            return verdict
    return Kept()
