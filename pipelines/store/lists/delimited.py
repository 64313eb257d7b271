"""Splits the lines of CSV and TSV into rows of cells, so that each line is in exactly one row, good or bad.

A quoted cell may have line breaks (RFC 4180). If its quote does not close within bounds, closes inside a text, or
encloses what is a row by itself, only the line where it opens is bad, and reading goes on at the next line.
"""

import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from corpusloom.pipelines.store.lists.delimiters import guess_delimiter, split
from corpusloom.pipelines.store.lists.text_lines import MAX_LINE
from corpusloom.schemas.verdicts import Rejected

MAX_ROW_LINES = 64
"""Maximum lines of a row."""
_URL = re.compile(r'"?\s*[A-Za-z][A-Za-z0-9+.-]*://')


@dataclass(frozen=True, slots=True)
class DelimitedRow:
    """One row: its cells, or why it cannot be used."""

    line: int
    """Number of its first line in the file, from 1."""
    cells: list[str]
    fault: Rejected | None = None


class DelimitedRows:
    """Iterator over the rows of CSV or TSV, after the header."""

    def __init__(
        self,
        lines: Iterator[str | None],
        delimiter: str | None,
        *,
        names: Sequence[str] = (),
        wanted: Sequence[str] = (),
    ) -> None:
        """Read the header.

        Args:
          lines: Lines of the file; None for one that cannot be decoded.
          delimiter: What separates the cells; None to guess it. With tabs cells are not quoted, unless the header is,
            or quotes inside a cell are doubled.
          names: Names of the columns of a file without a header. A first line that has these very names is one.
          wanted: Names of the columns that are read, by which a delimiter is guessed.
        """
        self._lines, self._ahead, self._line = lines, deque[str | None](), 0
        first = next(lines, "")
        self._ahead.append(first)
        self._delimiter = delimiter or guess_delimiter(first or "", wanted, len(names))
        quoted = self._delimiter != "\t" or (first or "").startswith('"')
        self._quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
        is_header = not names or split(first or "", self._delimiter) == list(names)
        header = self._row(0, None).cells if first != "" and is_header else []
        self.header = list(names) or [name.strip() for name in header]
        """Names of the columns; empty if the header cannot be read."""

    def rows(self, url_cell: int) -> Iterator[DelimitedRow]:
        """Yield all rows; blank lines are none. `url_cell` is the place of the URL, by which a row is recognized."""
        while self._ahead or self._fetch():
            row = self._row(len(self.header), url_cell)
            if row.cells or row.fault:
                yield row

    def _fetch(self) -> bool:
        """Append the next line to those that are read ahead; return False at the end of the file."""
        for line in self._lines:
            self._ahead.append(line)
            return True
        return False

    def _row(self, width: int, url_cell: int | None) -> DelimitedRow:
        """Return the row that begins at the next line; after a fault, the lines behind the first are read again."""
        taken: list[str | None] = []
        cells, fault = list[str](), None
        try:
            cells = next(csv.reader(self._feed(taken), delimiter=self._delimiter, quoting=self._quoting, strict=True))
        except csv.Error:
            fault = Rejected("unreadable_row" if taken[0] is None or '"' not in taken[0] else "unbalanced_quote")
        if self._quoting == csv.QUOTE_NONE:
            cells = [_without_quotes(cell) if cell.startswith('"') else cell for cell in cells]
        if (
            len(taken) > 1
            and fault is None
            and url_cell is not None
            and _encloses_row(cells, url_cell, self._delimiter)
        ):
            fault = Rejected("unbalanced_quote")
        if fault is None and cells and width and len(cells) != width:
            reason = "too_many_cells" if len(cells) > width else "too_few_cells"
            fault = Rejected(reason, float(len(cells)), float(width))
        line = self._line + 1
        if fault is not None:
            self._ahead.extendleft(reversed(taken[1:]))
            taken = taken[:1]
        self._line += len(taken)
        return DelimitedRow(line, cells, fault)

    def _feed(self, taken: list[str | None]) -> Iterator[str]:
        """Yield the next lines within bounds, and note those that were taken."""
        size = 0
        while len(taken) < MAX_ROW_LINES and size <= MAX_LINE and (self._ahead or self._fetch()):
            line = self._ahead.popleft()
            taken.append(line)
            if line is None:
                raise csv.Error("not decodable")
            size += len(line)
            yield line


def _encloses_row(cells: list[str], url_cell: int, delimiter: str) -> bool:
    """Return whether a line of a cell of several is a row by itself: it has a URL in its place, and other cells."""
    for cell in cells:
        lines = cell.splitlines()
        for line in lines if len(lines) > 1 else ():
            inner = line.split(delimiter)
            if len(inner) >= min(2, len(cells)) and len(inner) > url_cell and _URL.match(inner[url_cell]):
                return True
    return False


def _without_quotes(cell: str) -> str:
    """Return a cell without the quotes around it if quotes inside are doubled, as only programs that quote do."""
    inner = cell[1:-1]
    quoted = len(cell) > 1 and cell[-1] == '"' and '""' in inner and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if quoted else cell
