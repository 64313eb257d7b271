"""Rows of a table of claims: a figure of one side, and its difference from another side's."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.claims_common.estimates import Estimate, estimate, markdown_table

RESULTS = {1: "shows", -1: "the opposite shows", 0: "does not show at this size"}
COLUMNS = ("claim", "figure", "measured", "value", "minus that of", "difference", "result")


@dataclass(frozen=True, slots=True)
class Row:
    """A figure of one side, and its difference from the other side, which the claim says is above 0."""

    claim: str
    figure: str
    measured: str
    value: Estimate
    against: str = ""
    difference: Estimate | None = None

    @property
    def result(self) -> str:
        """Return whether the interval of the difference excludes 0, and on which side."""
        return "" if self.difference is None else RESULTS[self.difference.sign]

    @property
    def cells(self) -> tuple[str, ...]:
        """Return the cells of the row in a table of COLUMNS."""
        difference = "" if self.difference is None else self.difference.text(signed=True)
        return (self.claim, self.figure, self.measured, self.value.text(), self.against, difference, self.result)


def row(claim: str, figure: str, sides: tuple[str, str], values: np.ndarray, other: np.ndarray) -> Row:
    """Return the row of two sides' values, (S, N) each, compared seed by seed and trial by trial."""
    return Row(claim, figure, sides[0], estimate(values), sides[1], estimate(values - other))


def table_of(rows: Sequence[Row]) -> str:
    """Return the rows in Markdown."""
    return markdown_table(COLUMNS, [row.cells for row in rows])
