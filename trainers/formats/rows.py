"""Reads records as they are published: JSON, JSON lines or CSV; errors name the file, the record and the remedy."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError

RawRecord = Mapping[str, Any]
REMEDY = "give the file as it is published (docs/formats.md)"


def read_json(path: str) -> Any:
    """Return a JSON file's value; InputError if it is absent or no JSON."""
    return _parsed(path, json.loads, _bytes(path))


def read_rows(path: str, records: str = "") -> list[RawRecord]:
    """Return the records of a .csv, .jsonl or .json file, of the latter those under the key `records`."""
    if path.endswith(".csv"):
        rows: Any = list(
            csv.DictReader(io.StringIO(_parsed(path, lambda data: data.decode("utf-8-sig"), _bytes(path))))
        )
    elif path.endswith((".jsonl", ".jsonline")):
        rows = list(json_lines(path))
    else:
        rows = read_json(path)
        with record_errors(path):
            rows = rows[records] if records else rows
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError("not a list of records", where=path, remedy=REMEDY)
    if not rows:
        raise InputError("no record", where=path, remedy=REMEDY)
    return rows


def json_lines(path: str) -> Iterator[Any]:
    """Yield the values of a file of JSON lines, one at a time; InputError that names a line that is no JSON."""
    lines = (line for line in io.BytesIO(_bytes(path)) if line.strip())
    for number, line in enumerate(lines, 1):
        yield _parsed(f"{path}: line {number}", json.loads, line)


def read_names(path: str) -> dict[str, str]:
    """Return id -> name of a JSON object, or of lines with a name and an id, as in MSVD's youtube_mapping.txt."""
    if path.endswith(".json"):
        return {str(key): str(name) for key, name in _object(path).items()}
    names = {}
    for number, line in enumerate(_parsed(path, bytes.decode, _bytes(path)).splitlines()):
        if line.strip():
            with record_errors(path, number):
                name, key = line.split()
                names[key] = name
    return names


@contextmanager
def record_errors(path: str, number: int | None = None) -> Iterator[None]:
    """Raise an InputError that names the file and the record, from 0, for a field that is absent or of another type."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        what = f"no field {error}" if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"
        record = "" if number is None else f"record {number}: "
        raise InputError(f"{record}{what}", where=path, remedy=REMEDY) from error


def _object(path: str) -> dict[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict):
        raise InputError("not a JSON object", where=path, remedy=REMEDY)
    return value


def _bytes(path: str) -> bytes:
    if not storage.exists(path):
        raise InputError("no such file", where=path, remedy=REMEDY)
    return storage.read_bytes(path)


def _parsed(where: str, parse: Any, data: bytes) -> Any:
    try:
        return parse(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"cannot be read: {error}", where=where, remedy=REMEDY) from error
