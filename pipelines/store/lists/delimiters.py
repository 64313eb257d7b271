"""Finds the delimiter of a list and tells a header from a row."""

import csv
import re
from collections.abc import Sequence

from corpusloom.schemas.errors import InputError

GUESSED = (",", "\t", ";", "|")
"""Delimiters that are tried, in this order."""
_URL = re.compile(r"https?://\S+", re.IGNORECASE)


def guess_delimiter(first: str, wanted: Sequence[str], named: int) -> str:
    """Return the delimiter of a list by its first line.

    It is the first that gives the columns that are read, or as many cells as columns are named; else the one that
    gives most cells.

    Args:
      first: The first line.
      wanted: Names of the columns that are read.
      named: Number of names that stand for a header; 0 if the first line is one.
    """
    cells = {delimiter: split(first, delimiter) for delimiter in GUESSED}
    for delimiter, names in cells.items():
        if len(names) == named if named else set(wanted) <= set(names):
            return delimiter
    return max(GUESSED, key=lambda delimiter: len(cells[delimiter]))


def split(line: str, delimiter: str) -> list[str]:
    """Return the cells of a line without the blanks around them; none if its quotes are wrong."""
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, strict=True), [])]
    except csv.Error:
        return []


def check_header(path: str, header: Sequence[str], texts: Sequence[str]) -> None:
    """Raise InputError if a header has a URL among its cells and lacks a column: it is the first row.

    The remedy has a name per cell: those of `texts`, the columns of URL and caption, by what the cells hold.
    """
    urls = [at for at, cell in enumerate(header) if _URL.fullmatch(cell)]
    if not urls or set(texts) <= set(header):
        return
    names = [f"column{at + 1}" for at in range(len(header))]
    others = sorted((at for at in range(len(header)) if at not in urls), key=lambda at: -len(header[at]))
    for at, name in zip([urls[0], *others], texts, strict=False):
        names[at] = name
    raise InputError(
        f"its first line is a row, not a header: {' | '.join(header)[:120]}",
        where=path,
        remedy=f"name its columns: --column-names {' '.join(names)}",
    )
