"""Reads URL lists in Parquet, CSV, TSV, JSONL and text; yields a verdict for each unusable row.

One row group or one row is in memory at a time, so memory does not grow with the list.
"""

import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Literal

import pyarrow as pa

from corpusloom.pipelines.store.lists.delimited import MAX_LINE, DelimitedRows
from corpusloom.pipelines.store.lists.encodings import open_utf8
from corpusloom.pipelines.store.lists.kept_columns import kept_columns
from corpusloom.pipelines.store.lists.list_config import ListConfig
from corpusloom.schemas import tables
from corpusloom.schemas.errors import ConfigError, InputError, raise_shortage
from corpusloom.schemas.verdicts import Rejected

BATCH_ROWS = 4_096
_LINE_END = re.compile(rb"\r*\n|\r+")
FORMATS = {".parquet": "parquet", ".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".txt": "text"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRow:
    """One row of a list that names a URL."""

    number: int
    """Number of the row in the list, from 0, without the header."""
    url: str
    caption: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    """Further column -> its value as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """One unusable row, and the reason."""

    number: int
    verdict: Rejected
    text: str = ""
    """Beginning of the URL field."""
    line: int | None = None
    """Number of its line in the file, from 1; None in Parquet."""

    @property
    def place(self) -> str:
        """Return where it is: its line, or in Parquet its row, from 1."""
        return f"row {self.number + 1}" if self.line is None else f"line {self.line}"


def format_of(path: str) -> str:
    """Return the format of a list by the extension of its name; an unknown extension is a ConfigError."""
    name = path.rsplit("/", 1)[-1].lower()
    for extension, kind in FORMATS.items():
        if name.endswith(extension):
            return kind
    raise ConfigError("unknown format of a list", where=path, remedy=f"rename it to end in {', '.join(FORMATS)}")


def read_list(path: str, config: ListConfig) -> Iterator[ListRow | BadRow]:
    """Yield every row of a list, in order; a missing file or column is an error."""
    readers: dict[str, Callable[[str, ListConfig], Iterator[ListRow | BadRow]]] = {
        "parquet": _read_parquet,
        "csv": _read_delimited,
        "tsv": _read_delimited,
        "jsonl": _read_jsonl,
        "text": _read_text,
    }
    return readers[format_of(path)](path, config)


def check_names(path: str, config: ListConfig, present: Sequence[str]) -> None:
    """Raise InputError if a column that is read is not among those of the list."""
    for name in config.names:
        if name not in present:
            remedy = f"its columns are {', '.join(present[:20])}" if present else "it has no columns: check its header"
            raise InputError(f"no column {name!r}", where=path, remedy=remedy)
        check_single(path, name, present)


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
    elif config.caption_column and (caption is None or not caption.strip()):
        reason = "no_caption"
    if reason is not None:
        text = "" if url is None else str(url)[:80]
        return BadRow(number=number, verdict=Rejected(reason), text=text, line=line)
    columns = {name: _clean(text) for name, text in kept_columns(config.kept, rest).items()}
    return ListRow(number=number, url=_clean(url.strip()), caption=caption and _clean(caption), columns=columns)


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


def _lines(handle: IO[bytes]) -> Iterator[str | None]:
    """Yield the lines of a file; None for a line that is too long or not UTF-8.

    Lines end with LF or CRLF, or with CR if the first one does.
    """
    first = _LINE_END.search(handle.peek())  # type: ignore[attr-defined]
    end: Literal["\r", "\n"] = "\r" if first is not None and b"\n" not in first[0] else "\n"
    text = io.TextIOWrapper(handle, "utf-8", "surrogateescape", newline=end)
    while line := text.readline(MAX_LINE):
        if len(line) == MAX_LINE and not line.endswith(end):
            while (rest := text.readline(MAX_LINE)) and not rest.endswith(end):
                pass
            yield None
        else:
            yield line if _is_text(line) else None


def _is_text(line: str) -> bool:
    """Return whether all bytes of a line were UTF-8."""
    if line.isascii():
        return True
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read_text(path: str, config: ListConfig) -> Iterator[ListRow | BadRow]:
    if config.caption_column:
        raise ConfigError("a text list has only URLs, one per line", where=path, remedy="use .csv, .tsv or .jsonl")
    with open_utf8(path, config.list_encoding) as handle:
        for number, line in enumerate(_lines(handle)):
            yield _unreadable(number, number + 1) if line is None else _make_row(number, [line], config, number + 1)


def _unreadable(number: int, line: int) -> BadRow:
    return BadRow(number=number, verdict=Rejected("unreadable_row"), line=line)


def _read_jsonl(path: str, config: ListConfig) -> Iterator[ListRow | BadRow]:
    for number, (at, values) in enumerate(read_objects(path, config)):
        if values is None:
            yield _unreadable(number, at)
        else:
            yield _make_row(number, [values.get(name) for name in config.names], config, at)


def read_objects(path: str, config: ListConfig) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Yield line number and JSON object of each line of JSONL that is not blank; None if it holds no object."""
    with open_utf8(path, config.list_encoding) as handle:
        for at, line in enumerate(_lines(handle), 1):
            if line is None or line.strip():
                yield at, _json_object(line or "")


def _json_object(line: str) -> dict[str, Any] | None:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _read_delimited(path: str, config: ListConfig) -> Iterator[ListRow | BadRow]:
    """Read CSV (RFC 4180, including quoted line breaks) or TSV; the first line holds the column names."""
    with open_utf8(path, config.list_encoding) as handle:
        rows = DelimitedRows(_lines(handle), tabs=format_of(path) == "tsv")
        check_names(path, config, rows.header)
        places = [rows.header.index(name) for name in config.names]
        for number, row in enumerate(rows.rows(places[0])):
            if row.fault is not None:
                yield BadRow(number=number, verdict=row.fault, line=row.line)
            else:
                yield _make_row(number, [row.cells[place] for place in places], config, row.line)
