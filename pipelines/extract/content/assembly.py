"""Candidates that were kept -> blocks: lines become lists, cells become tables, pages get their facts."""

from collections.abc import Iterable, Sequence

from corpusloom.pipelines.extract.reading.types import Candidate, RawPage, Table
from corpusloom.schemas.records import Block

_NO_PLACE = (0, -1)


def join_rows(page: RawPage) -> list[Candidate]:
    """Return the candidates with the cells of each row of a data table joined by tabs into one candidate.

    The sections' ranges of candidates follow: `first` and `last` count what is returned.
    """
    if not any(table.is_data for table in page.tables.values()):
        return page.candidates
    joined: list[Candidate] = []
    places = [0]
    place, column = _NO_PLACE, -1
    for candidate in page.candidates:
        table = page.tables.get(candidate.table)
        if table is None or not _is_cell(candidate, table):
            joined.append(candidate)
            place = _NO_PLACE
        elif (candidate.table, candidate.row) == place:
            _add_cell(joined[-1], candidate, candidate.column - column)
            column = candidate.column
        else:
            candidate.kind, candidate.level, candidate.listing, candidate.prefix = "table", None, 0, ""
            joined.append(candidate)
            place, column = (candidate.table, candidate.row), candidate.column
        places.append(len(joined))
    for section in page.sections:
        section.last = places[section.last]
        section.first = min(places[section.first], section.last)
    return joined


def _is_cell(candidate: Candidate, table: Table) -> bool:
    return candidate.image is None and table.is_data and candidate.column >= 0 and candidate.kind != "caption"


def _add_cell(row: Candidate, cell: Candidate, columns: int) -> None:
    row.text += ("\t" * columns if columns > 0 else " ") + cell.text.replace("\n", " ")
    row.link_chars += cell.link_chars


def blocks_of(candidates: Iterable[Candidate], tables: dict[int, Table]) -> tuple[Block, ...]:
    """Return blocks in order: neighbouring lines of one list, and rows of one table, become one block."""
    blocks: list[Block] = []
    lines: list[Candidate] = []
    for candidate in candidates:
        if lines and _group(candidate, tables) != _group(lines[0], tables):
            blocks.append(_joined(lines))
            lines = []
        if _group(candidate, tables):
            lines.append(candidate)
        else:
            blocks.append(single(candidate))
    if lines:
        blocks.append(_joined(lines))
    return tuple(blocks)


def _group(candidate: Candidate, tables: dict[int, Table]) -> int:
    """Return the number of the list or data table that a line belongs to, or 0."""
    if candidate.kind == "list":
        return candidate.listing
    if candidate.kind == "table" and candidate.table in tables and tables[candidate.table].is_data:
        return candidate.table
    return 0


def single(candidate: Candidate) -> Block:
    """Return one candidate as a block of its own."""
    if candidate.image is not None:
        return Block(kind="image", image=candidate.image)
    kind = "other" if candidate.kind in ("table", "list") else candidate.kind
    return Block(kind=kind, text=candidate.text, level=candidate.level)


def _joined(lines: Sequence[Candidate]) -> Block:
    if lines[0].kind == "table":
        return Block(kind="table", text="\n".join(line.text for line in lines))
    if not any(line.prefix.strip() for line in lines) and len(lines) == 1:
        return Block(kind="paragraph", text=lines[0].text)
    indent = min(len(line.prefix) - len(line.prefix.lstrip(" ")) for line in lines)
    return Block(kind="list", text="\n".join(_line(line, indent) for line in lines))


def _line(candidate: Candidate, indent: int) -> str:
    """Return a list line; further lines of its text stand under the text, not under the marker."""
    prefix = candidate.prefix[indent:]
    return prefix + candidate.text.replace("\n", "\n" + " " * len(prefix))
