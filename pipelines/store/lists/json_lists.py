"""Reads lists of JSON: one object per line, an array of objects, or an object of columns as pandas writes it."""

import io
import json
from collections.abc import Iterator, Mapping
from typing import IO, Any, TypeAlias

from corpusloom.pipelines.store.lists.encodings import open_utf8
from corpusloom.pipelines.store.lists.list_config import ListConfig
from corpusloom.pipelines.store.lists.text_lines import MAX_LINE, read_lines
from corpusloom.schemas.errors import InputError

MAX_COLUMNS = 1 << 28
"""Maximum characters of an object of columns, which is held in memory."""
Values: TypeAlias = dict[str, Any] | None
"""Column -> value of a row; None for a row that holds no object."""
_BLOCK = 1 << 16
_BLANK = " \t\r\n"
_REMEDY = "write one object per row, as JSON lines (.jsonl) or an array"


def read_objects(path: str, config: ListConfig) -> Iterator[tuple[int, Values]]:
    """Yield line number and values of each line of JSON lines that is not blank."""
    with open_utf8(path, config.list_encoding) as handle:
        for at, line in enumerate(read_lines(handle), 1):
            if line is None or line.strip():
                yield at, _object_of(line or "")


def _object_of(line: str) -> Values:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def read_json(path: str, config: ListConfig) -> Iterator[tuple[int | None, Values]]:
    """Yield place and values of each row of a .json file: an array, columns, or JSON lines; places are for lines only.

    An array is read row by row. InputError for other JSON, and where an array ends before its end.
    """
    with open_utf8(path, config.list_encoding) as handle:
        head = _peek(handle).lstrip(_BLANK)
    if head.startswith("["):
        yield from ((None, values) for values in _read_array(path, config))
    elif _is_lines(head):
        yield from read_objects(path, config)
    else:
        yield from ((None, values) for values in _read_columns(path, config))


def _peek(handle: IO[bytes]) -> str:
    """Return the beginning of a file."""
    return io.TextIOWrapper(handle, "utf-8", "surrogateescape").read(MAX_LINE)


def _is_lines(head: str) -> bool:
    """Return whether a file that begins so is JSON lines: more than one object, or one without a list or object."""
    try:
        values, end = json.JSONDecoder().raw_decode(head)
    except (ValueError, RecursionError):
        return False
    return bool(head[end:].strip(_BLANK)) or not (isinstance(values, dict) and any(map(_is_column, values.values())))


def _is_column(values: Any) -> bool:
    return isinstance(values, list | dict)


def _read_array(path: str, config: ListConfig) -> Iterator[Values]:
    """Yield the objects of an array, a row of at most 1 MB at a time."""
    decoder, rows = json.JSONDecoder(), 0
    with open_utf8(path, config.list_encoding) as handle:
        text = io.TextIOWrapper(handle, "utf-8", "surrogateescape")
        held, block = "", text.read(_BLOCK).lstrip(_BLANK)[1:]
        while True:
            held = (held + block).lstrip(_BLANK + ",")
            if held.startswith("]"):
                return
            try:
                value, end = decoder.raw_decode(held)
            except (ValueError, RecursionError):
                end = len(held)
            if end == len(held):  # a value that ends here may go on in the next block
                block = text.read(_BLOCK) if len(held) < MAX_LINE else ""
                if not block:
                    what = f"no JSON after row {rows}: it is cut off, longer than 1 MB, or has another form"
                    raise InputError(what, where=path, remedy=_REMEDY)
                continue
            rows, held, block = rows + 1, held[end:], ""
            yield value if isinstance(value, dict) else None


def _read_columns(path: str, config: ListConfig) -> Iterator[Values]:
    """Yield the rows of an object of columns: lists of one length, or objects from an index to a value."""
    with open_utf8(path, config.list_encoding) as handle:
        text = io.TextIOWrapper(handle, "utf-8", "surrogateescape").read(MAX_COLUMNS + 1)
    if len(text) > MAX_COLUMNS:
        raise InputError(f"an object of more than {MAX_COLUMNS >> 20} MB", where=path, remedy=_REMEDY)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"no JSON: {error}", where=path, remedy=_REMEDY) from error
    columns = {name: _by_index(values) for name, values in found.items() if _is_column(values)}
    wanted = {name: columns[name] for name in config.names if name in columns}
    lengths = sorted({len(values) for values in wanted.values()})
    if len(lengths) > 1:
        raise InputError(f"its columns have {lengths[0]} to {lengths[-1]} values", where=path, remedy=_REMEDY)
    if not wanted:
        yield dict.fromkeys(found)  # one row of nulls, so that its columns are named
        return
    for index in wanted.get(config.url_column, next(iter(wanted.values()))):
        yield {name: values.get(index) for name, values in wanted.items()}


def _by_index(values: list[Any] | dict[str, Any]) -> Mapping[Any, Any]:
    """Return index -> value of a column."""
    return values if isinstance(values, dict) else dict(enumerate(values))
