"""Reads URL lists in Parquet, CSV, TSV, JSONL and text; yields a verdict for each unusable row.

One row group or one line is in memory at a time, so memory does not grow with the list.
"""

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

import pyarrow as pa

from corpusloom.pipelines.store.list_config import ListConfig
from corpusloom.schemas import storage, tables
from corpusloom.schemas.errors import ConfigError, InputError, raise_shortage
from corpusloom.schemas.verdicts import Rejected

MAX_LINE = 1 << 20
"""Maximum bytes of a line; a longer one is a bad row."""
BATCH_ROWS = 4_096
FORMATS = {".parquet": "parquet", ".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".txt": "text"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRow:
    """One row of a list that names a URL."""

    number: int
    """Number of the row in the list, from 0, without the header."""
    url: str
    caption: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """One unusable row, and the reason."""

    number: int
    verdict: Rejected
    text: str = ""
    """Beginning of the URL field."""


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


def columns_of(config: ListConfig) -> tuple[str, ...]:
    """Return the columns to read: the URL, then the caption if there is one."""
    return (config.url_column, config.caption_column) if config.caption_column else (config.url_column,)


def _check_columns(path: str, config: ListConfig, present: Sequence[str]) -> None:
    for name in columns_of(config):
        if name not in present:
            known = ", ".join(present[:20])
            raise InputError(f"no column {name!r}", where=path, remedy=f"its columns are {known}")


def _make_row(number: int, values: Sequence[Any], config: ListConfig) -> ListRow | BadRow:
    """Return the row with these values, in the order of `columns_of`, or a BadRow."""
    url, caption = values if config.caption_column else (*values, None)
    if not isinstance(url, str) or not url.strip():
        return BadRow(number=number, verdict=Rejected("no_url"), text=str(url)[:80])
    if "\x00" in url:
        return BadRow(number=number, verdict=Rejected("bad_url"), text=url[:80])
    if config.caption_column and (not isinstance(caption, str) or not caption.strip()):
        return BadRow(number=number, verdict=Rejected("no_caption"), text=url[:80])
    return ListRow(number=number, url=_clean(url.strip()), caption=caption and _clean(caption))


def _clean(text: str) -> str:
    """Return text without lone surrogates, which JSON may contain but UTF-8 cannot encode."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _read_parquet(path: str, config: ListConfig) -> Iterator[ListRow | BadRow]:
    names, number = list(columns_of(config)), 0
    with tables.open_parquet(path) as file:
        _check_columns(path, config, file.schema_arrow.names)
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
    """Yield the lines of a file as text; None for a line that is too long or not UTF-8."""
    while line := handle.readline(MAX_LINE):
        if len(line) == MAX_LINE and not line.endswith(b"\n"):
            while (rest := handle.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                pass
            yield None
            continue
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError:
            yield None


def _open(path: str) -> IO[bytes]:
    """Open a list and skip its byte order mark."""
    handle: io.BufferedReader[Any] = io.BufferedReader(storage.open_input(path), 1 << 20)
    if handle.peek(3)[:3] == codecs.BOM_UTF8:
        handle.read(3)
    return handle


def _read_text(path: str, config: ListConfig) -> Iterator[ListRow | BadRow]:
    if config.caption_column:
        raise ConfigError("a text list has only URLs, one per line", where=path, remedy="use .csv, .tsv or .jsonl")
    with _open(path) as handle:
        for number, line in enumerate(_lines(handle)):
            yield _unreadable(number) if line is None else _make_row(number, [line], config)


def _unreadable(number: int) -> BadRow:
    return BadRow(number=number, verdict=Rejected("unreadable_row"))


def _read_jsonl(path: str, config: ListConfig) -> Iterator[ListRow | BadRow]:
    names, number = columns_of(config), 0
    with _open(path) as handle:
        for line in _lines(handle):
            if line is not None and not line.strip():
                continue
            yield _json_row(number, line, names, config)
            number += 1


def _json_row(number: int, line: str | None, names: Sequence[str], config: ListConfig) -> ListRow | BadRow:
    try:
        values = json.loads(line or "")
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        return _unreadable(number)
    return _make_row(number, [values.get(name) for name in names], config)


def _read_delimited(path: str, config: ListConfig) -> Iterator[ListRow | BadRow]:
    """Read CSV (RFC 4180, including quoted line breaks) or TSV; the first line holds the column names."""
    tsv = format_of(path) == "tsv"
    with _open(path) as handle:
        lines = ("\x00" if line is None else line for line in _lines(handle))
        rows = csv.reader(lines, delimiter="\t" if tsv else ",", quoting=csv.QUOTE_NONE if tsv else csv.QUOTE_MINIMAL)
        header = next(rows, [])
        _check_columns(path, config, header)
        places = [header.index(name) for name in columns_of(config)]
        number = 0
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error:
                row = ["\x00"]
            if row:
                bad = len(row) <= max(places) or any("\x00" in value for value in row)
                yield _unreadable(number) if bad else _make_row(number, [row[place] for place in places], config)
                number += 1
