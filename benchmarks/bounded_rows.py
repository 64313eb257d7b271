"""Measured figures with their bounds, as benchmarks print them."""

import dataclasses
import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A measured figure with its bounds."""

    measure: str
    value: float | None
    """None: not measured."""
    bound: float
    """At least, or at most if `lower_is_better`."""
    aim: float
    lower_is_better: bool
    note: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether the bound is kept."""
        if self.value is None:
            return None
        return self.value <= self.bound if self.lower_is_better else self.value >= self.bound


def show(row: Row, *, as_json: bool, width: int = 40) -> None:
    """Print a row; `width` characters for what it measures."""
    if as_json:
        print(json.dumps({**dataclasses.asdict(row), "holds": row.holds}), flush=True)
        return
    value = "-" if row.value is None else f"{row.value:,.3f}"
    sign = "<=" if row.lower_is_better else ">="
    verdict = {True: "holds", False: "MISSED", None: ""}[row.holds]
    bound = f"{row.bound:,.3f}"
    print(
        f"{row.measure:<{width}}{value:>10}  {sign} {bound:<10} aim {row.aim:<7,g} {verdict:<7} {row.note}", flush=True
    )
