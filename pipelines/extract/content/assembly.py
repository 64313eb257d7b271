"""Assembles kept runs into blocks: list items into lists, table cells into tables."""

from collections.abc import Iterable, Sequence

from corpusloom.pipelines.extract.reading.types import RawPage, Table, TextRun
from corpusloom.schemas.records import Block

_NO_PLACE = (0, -1)


def join_rows(page: RawPage) -> list[TextRun]:
    """Return the runs with the cells of each row of a data table joined by tabs into one run.

    `first` and `last` of the sections are updated to the returned runs.
    """
    if not any(table.is_data for table in page.tables.values()):
        return page.runs
    joined: list[TextRun] = []
    places = [0]
    place, column = _NO_PLACE, -1
    for run in page.runs:
        table = page.tables.get(run.table)
        if table is None or not _is_cell(run, table):
            joined.append(run)
            place = _NO_PLACE
        elif (run.table, run.row) == place:
            _add_cell(joined[-1], run, run.column - column)
            column = run.column
        else:
            run.kind, run.level, run.listing, run.prefix = "table", None, 0, ""
            joined.append(run)
            place, column = (run.table, run.row), run.column
        places.append(len(joined))
    for section in page.sections:
        section.last = places[section.last]
        section.first = min(places[section.first], section.last)
    return joined


def _is_cell(run: TextRun, table: Table) -> bool:
    return run.image is None and table.is_data and run.column >= 0 and run.kind != "caption"


def _add_cell(row: TextRun, cell: TextRun, columns: int) -> None:
    row.text += ("\t" * columns if columns > 0 else " ") + cell.text.replace("\n", " ")
    row.link_chars += cell.link_chars


def blocks_of(runs: Iterable[TextRun], tables: dict[int, Table]) -> tuple[Block, ...]:
    """Return blocks in order; adjacent items of one list, or rows of one table, become one block."""
    blocks: list[Block] = []
    lines: list[TextRun] = []
    for run in runs:
        if lines and _group(run, tables) != _group(lines[0], tables):
            blocks.append(_joined(lines))
            lines = []
        if _group(run, tables):
            lines.append(run)
        else:
            blocks.append(single(run))
    if lines:
        blocks.append(_joined(lines))
    return tuple(blocks)


def _group(run: TextRun, tables: dict[int, Table]) -> int:
    """Return the number of the list or data table that a line belongs to, or 0."""
    if run.kind == "list":
        return run.listing
    if run.kind == "table" and run.table in tables and tables[run.table].is_data:
        return run.table
    return 0


def single(run: TextRun) -> Block:
    """Return one run as a block of its own."""
    if run.image is not None:
        return Block(kind="image", image=run.image)
    kind = "other" if run.kind in ("table", "list") else run.kind
    return Block(kind=kind, text=run.text, level=run.level)


def _joined(lines: Sequence[TextRun]) -> Block:
    if lines[0].kind == "table":
        return Block(kind="table", text="\n".join(line.text for line in lines))
    if not any(line.prefix.strip() for line in lines) and len(lines) == 1:
        return Block(kind="paragraph", text=lines[0].text)
    indent = min(len(line.prefix) - len(line.prefix.lstrip(" ")) for line in lines)
    return Block(kind="list", text="\n".join(_line(line, indent) for line in lines))


def _line(run: TextRun, indent: int) -> str:
    """Return a line of a list; further lines of its text are aligned with the text, not with the marker."""
    prefix = run.prefix[indent:]
    return prefix + run.text.replace("\n", "\n" + " " * len(prefix))
