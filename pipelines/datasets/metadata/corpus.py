"""Texts of a corpus, one at a time: a column of Parquet, a key of JSONL, or the lines of text files."""

import gzip
import io
import json
from collections.abc import Iterator, Sequence
from typing import IO, cast

import pyarrow as pa

from corpusloom.schemas import storage, tables
from corpusloom.schemas.errors import InputError

BATCH_ROWS = 1_024


def find_files(patterns: Sequence[str]) -> list[str]:
    """Return the files of paths, globs and folders, each once, sorted; InputError if there is none."""
    found = sorted({path for pattern in patterns for path in storage.expand(pattern)})
    if not found:
        raise InputError("no file", where=", ".join(patterns), remedy="give files of text, JSONL or Parquet")
    return found


def read_texts(path: str, column: str) -> Iterator[str]:
    """Yield the texts of a file: of a column of .parquet, a key of .jsonl, else the lines; also of .gz.

    Raises InputError for a file that is damaged or lacks the column. Bytes that are not UTF-8 become U+FFFD.
    """
    if path.endswith(".parquet"):
        yield from _parquet_texts(path, column)
        return
    name = path.removesuffix(".gz")
    try:
        with storage.open_input(path) as file:
            opened = cast(IO[bytes], gzip.GzipFile(fileobj=file) if path.endswith(".gz") else file)
            for number, line in enumerate(io.TextIOWrapper(opened, "utf-8", "replace", newline="\n"), 1):
                yield _value(line, column, path, number) if name.endswith(".jsonl") else line
    except (EOFError, gzip.BadGzipFile) as error:
        raise InputError(f"is damaged: {error}", where=path, remedy="compress the file again") from error


def _parquet_texts(path: str, column: str) -> Iterator[str]:
    with tables.open_parquet(path) as file:
        if column not in file.schema_arrow.names:
            names = ", ".join(file.schema_arrow.names)
            raise InputError(f"has no column {column!r}", where=path, remedy=f"--text-column takes one of {names}")
        kind = file.schema_arrow.field(column).type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            raise InputError(f"column {column!r} holds {kind}, not text", where=path, remedy="name a column of text")
        for batch in file.iter_batches(BATCH_ROWS, columns=[column]):
            yield from (text for text in batch.column(0).to_pylist() if text is not None)


def _value(line: str, key: str, path: str, number: int) -> str:
    try:
        value = json.loads(line)[key]
    except (ValueError, KeyError, TypeError) as error:
        what = f"line {number} is no JSON object with the key {key!r}"
        raise InputError(what, where=path, remedy="write one object per line, or name its key by --text-column") from (
            error
        )
    if not isinstance(value, str):
        raise InputError(f"line {number}: {key!r} is no text", where=path, remedy="name a key that holds texts")
    return value
