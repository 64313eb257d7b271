"""Reads URL lists in Parquet, CSV, TSV, JSON and text; yields a verdict for each unusable row.

One row group or one row is in memory at a time, so memory does not grow with the list; JSON of columns is held whole.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from corpusloom.pipelines.store.lists.delimited import DelimitedRows
from corpusloom.pipelines.store.lists.delimiters import check_header
from corpusloom.pipelines.store.lists.encodings import open_utf8
from corpusloom.pipelines.store.lists.formats import format_of
from corpusloom.pipelines.store.lists.json_lists import Values, read_json, read_objects
from corpusloom.pipelines.store.lists.kept_columns import kept_columns
from corpusloom.pipelines.store.lists.list_config import ListConfig
from corpusloom.pipelines.store.lists.text_lines import read_lines
from corpusloom.schemas import tables
from corpusloom.schemas.errors import ConfigError, InputError, raise_shortage
from corpusloom.schemas.verdicts import Rejected

BATCH_ROWS = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    """A row with its place in the list."""

    number: int
    """Number of the row in the list, from 0, without the header."""
    line: int | None = None
    """Number of its line in the file, from 1; None in Parquet."""

    @property
    def place(self) -> str:
        """Return where it is: its line, or in Parquet its row, from 1."""
        return f"row {self.number + 1}" if self.line is None else f"line {self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRow(_Placed):
    """One row of a list that names a URL; equal to a row of another format with the same content."""

    line: int | None = field(default=None, compare=False)
    url: str
    caption: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    """Further column -> its value as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow(_Placed):
    """One unusable row, and the reason."""

    verdict: Rejected
    text: str = ""
    """Beginning of the URL field."""


def read_list(path: str, config: ListConfig) -> Iterator[ListRow | BadRow]:
    """Yield every row of a list, in order; a missing file or column is an error."""
    readers: dict[str, Callable[[str, ListConfig], Iterator[ListRow | BadRow]]] = {
        "parquet": _read_parquet,
        "csv": _read_delimited,
        "tsv": _read_delimited,
        "jsonl": _read_jsonl,
        "json": _read_json,
        "text": _read_text,
    }
    return readers[format_of(path)](path, config)


def check_names(path: str, config: ListConfig, present: Sequence[str]) -> None:
    """Raise InputError if a column that is read is not among those of the list."""
    for name in config.names:
        if name not in present:
            raise InputError(f"no column {name!r}", where=path, remedy=_other_names(name, present))
        check_single(path, name, present)


def _other_names(name: str, present: Sequence[str]) -> str:
    """Return what to write instead of the name of a column that is not there."""
    if not present:
        return "it has no columns: check its header"
    folded = {other.casefold(): other for other in reversed(present)}
    near = difflib.get_close_matches(name.casefold(), folded, 1)
    meant = f"did you mean {folded[near[0]]}? " if near else ""
    return f"{meant}its columns are {', '.join(present[:20])}"


def check_single(path: str, name: str, present: Sequence[str]) -> None:
    """Raise InputError if two columns of a list have the name of one that is read."""
    if present.count(name) > 1:
        raise InputError(f"two columns are called {name!r}", where=path, remedy="rename one of them")


def _make_row(number: int, values: Sequence[Any], config: ListConfig, line: int | None = None) -> ListRow | BadRow:
    """Return the row with these values, in the order of the configured columns, or a BadRow."""
    url, *rest = values
    caption = rest.pop(0) if config.caption_column else None
    reason = None
    if url is not None and not isinstance(url, str):
        reason = "url_not_text"
    elif url is None or not url.strip():
        reason = "no_url"
    elif "\x00" in url or "\r" in url.strip():
        reason = "bad_url"
    elif config.caption_column and caption is not None and not isinstance(caption, str):
        reason = "caption_not_text"
    if reason is not None:
        text = "" if url is None else str(url)[:80]
        return BadRow(number=number, verdict=Rejected(reason), text=text, line=line)
    columns = {name: _clean(text) for name, text in kept_columns(config.kept, rest).items()}
    return ListRow(
        number=number, line=line, url=_clean(url.strip()), caption=caption and _clean(caption), columns=columns
    )


def _clean(text: str) -> str:
    """Return text without lone surrogates, which JSON may contain but UTF-8 cannot encode."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _read_parquet(path: str, config: ListConfig) -> Iterator[ListRow | BadRow]:
    names, number = list(config.names), 0
    with tables.open_parquet(path) as file:
        check_names(path, config, file.schema_arrow.names)
        try:
            for batch in file.iter_batches(BATCH_ROWS, columns=names):
                columns = [batch.column(batch.schema.get_field_index(name)).to_pylist() for name in names]
                for values in zip(*columns, strict=True):
                    yield _make_row(number, values, config)
                    number += 1
        except (pa.ArrowInvalid, OSError, UnicodeDecodeError) as error:
            raise_shortage(error, path)
            raise InputError(
                f"damaged after row {number}: {error}", where=path, remedy="write the list again"
            ) from error


def _read_text(path: str, config: ListConfig) -> Iterator[ListRow | BadRow]:
    if config.delimiter:
        yield from _read_delimited(path, config)
        return
    if config.names != (config.url_column,):
        what = f"a text list has only URLs, one per line, and no column {config.names[1]!r}"
        raise ConfigError(what, where=path, remedy="use .csv, .tsv or .jsonl, or name its --delimiter")
    with open_utf8(path, config.list_encoding) as handle:
        for number, line in enumerate(read_lines(handle)):
            yield _unreadable(number, number + 1) if line is None else _make_row(number, [line], config, number + 1)


def _unreadable(number: int, line: int | None) -> BadRow:
    return BadRow(number=number, verdict=Rejected("unreadable_row"), line=line)


def _read_jsonl(path: str, config: ListConfig) -> Iterator[ListRow | BadRow]:
    return _of_objects(read_objects(path, config), config)


def _read_json(path: str, config: ListConfig) -> Iterator[ListRow | BadRow]:
    return _of_objects(read_json(path, config), config)


def _of_objects(found: Iterable[tuple[int | None, Values]], config: ListConfig) -> Iterator[ListRow | BadRow]:
    """Yield the rows of places and objects."""
    for number, (at, values) in enumerate(found):
        if values is None:
            yield _unreadable(number, at)
        else:
            yield _make_row(number, [values.get(name) for name in config.names], config, at)


def _read_delimited(path: str, config: ListConfig) -> Iterator[ListRow | BadRow]:
    """Read CSV (RFC 4180, including quoted line breaks) or TSV; the first line holds the column names if none do."""
    with open_utf8(path, config.list_encoding) as handle:
        tabs = "\t" if format_of(path) == "tsv" else None
        rows = DelimitedRows(
            read_lines(handle), config.delimiter_sign or tabs, names=config.column_names, wanted=config.names
        )
        if not config.column_names:
            check_header(path, rows.header, config.texts)
        check_names(path, config, rows.header)
        places = [rows.header.index(name) for name in config.names]
        for number, row in enumerate(rows.rows(places[0])):
            if row.fault is not None:
                yield BadRow(number=number, verdict=row.fault, line=row.line)
            else:
                yield _make_row(number, [row.cells[place] for place in places], config, row.line)
