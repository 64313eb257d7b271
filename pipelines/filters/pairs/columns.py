"""Bounds on numbers that a list holds beside its pairs, such as LAION's similarity and punsafe."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from corpusloom.schemas.config import threshold
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.verdicts import Rule, Scores

VERSION = 1
SCORE = "column_"
"""Beginning of the name of a score that is a column's number."""
_BOUND = re.compile(r"\s*(\S.*?)\s*(>=|<=|>|<)\s*([-+.\deE]+)\s*")


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnsConfig:
    """Bounds on the columns of a list."""

    bounds: tuple[str, ...] = threshold(())
    """Conditions on numbers of a row: "similarity >= 0.28", "punsafe < 0.5" ...; a row without a number passes."""

    def __post_init__(self) -> None:
        for text in self.bounds:
            parse_bound(text)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that have a bound, each once."""
        return tuple(dict.fromkeys(rule.score.removeprefix(SCORE) for rule in rules(self)))


def parse_bound(text: str) -> Rule:
    """Return the rule of a bound such as "similarity >= 0.28"; ConfigError for any other text."""
    found = _BOUND.fullmatch(text)
    try:
        number = float(found[3]) if found else 0.0
    except ValueError:
        found = None
    if found is None:
        remedy = "write COLUMN, one of >= > <= <, and a number: similarity >= 0.28"
        raise ConfigError(f"{text!r} is no bound", where="filters.columns.bounds", remedy=remedy)
    name, strict = f"{SCORE}{found[1]}", "=" not in found[2]
    if found[2].startswith(">"):
        return Rule(reason=name, score=name, minimum=number, strict=strict)
    return Rule(reason=name, score=name, maximum=number, strict=strict)


def rules(config: ColumnsConfig) -> tuple[Rule, ...]:
    """Return a rule per bound."""
    return tuple(map(parse_bound, config.bounds))


def column_scores(columns: Mapping[str, str]) -> Scores:
    """Return the finite numbers among the columns as scores; true is 1, false is 0."""
    found = {f"{SCORE}{name}": _number(text) for name, text in columns.items()}
    return {name: number for name, number in found.items() if math.isfinite(number)}


def _number(text: str) -> float:
    """Return the number that a text is, NaN if it is none."""
    if text.lower() in ("true", "false"):
        return float(text.lower() == "true")
    try:
        return float(text) if "_" not in text else math.nan
    except ValueError:
        return math.nan
