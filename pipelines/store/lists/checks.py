"""Checks lists before any work: that the columns exist, that they hold text, and that there is a row."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import pyarrow as pa

from corpusloom.pipelines.store.lists.encodings import WESTERN, find_encoding
from corpusloom.pipelines.store.lists.formats import format_of
from corpusloom.pipelines.store.lists.json_lists import read_json, read_objects
from corpusloom.pipelines.store.lists.list_config import ListConfig
from corpusloom.pipelines.store.lists.list_rows import check_names, check_single, read_list
from corpusloom.schemas import storage, tables
from corpusloom.schemas.errors import DamageError, InputError

SAMPLE_ROWS = 1_000
"""Rows of JSON whose types are looked at."""
_JSON_TYPES: Mapping[type, str] = {list: "lists", dict: "objects", bool: "booleans", int: "numbers", float: "numbers"}
_REMEDY = "name a column of text, or write one text per row"


def check_lists(paths: Iterable[str], config: ListConfig) -> list[str]:
    """Check every list, and return warnings; InputError for a list that cannot be used, or if no list has a row."""
    checked = list(paths)
    if not [path for path in checked if _check_list(path, config)] and checked:
        raise InputError("holds no row", where=", ".join(checked), remedy="give a list with a row per image")
    texts = [path for path in checked if config.list_encoding is None and format_of(path) != "parquet"]
    return [
        f"{path} is not UTF-8: it is read as Windows-1252 (--list-encoding names another encoding)"
        for path in texts
        if find_encoding(path) == WESTERN
    ]


def _check_list(path: str, config: ListConfig) -> bool:
    """Check the columns of one list; return whether it has a row."""
    kind = format_of(path)
    if not storage.size(path):
        raise InputError("is empty", where=path, remedy="the list needs a row per image")
    if kind == "parquet":
        try:
            with tables.open_parquet(path) as file:
                check_names(path, config, file.schema_arrow.names)
                check_types(path, config.texts, file.schema_arrow)
                return bool(file.metadata.num_rows)
        except DamageError as error:
            raise InputError(error.what, where=path, remedy="write the list again") from error
    if kind in ("jsonl", "json"):
        _check_objects(path, config)
    return next(iter(read_list(path, config)), None) is not None


def check_types(path: str, names: Iterable[str], schema: pa.Schema) -> None:
    """Raise InputError if a column of a Parquet file does not hold text, or if two columns have its name."""
    for name in names:
        check_single(path, name, schema.names)
        kind = schema.field(name).type
        values = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not (pa.types.is_string(values) or pa.types.is_large_string(values) or pa.types.is_string_view(values)):
            raise InputError(f"column {name!r} holds {_words(values)}, not text", where=path, remedy=_REMEDY)


def _words(kind: pa.DataType) -> str:
    """Return an Arrow type in words."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return f"lists ({kind})"
    if pa.types.is_null(kind):
        return "only nulls"
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return "bytes (binary)"
    return f"values of type {kind}"


def _check_objects(path: str, config: ListConfig) -> None:
    """Raise InputError if the beginning of JSON has no object, or none with text in a column that is read."""
    read = read_json if format_of(path) == "json" else read_objects
    found_rows = [values for _, values in islice(read(path, config), SAMPLE_ROWS)]
    rows = [values for values in found_rows if values is not None]
    if found_rows and not rows:
        raise InputError(
            "no row is a JSON object", where=path, remedy="write one object per line, or name an array .json"
        )
    for name in config.names:
        present = [values[name] for values in rows if name in values]
        if rows and not present:
            check_names(path, config, list(dict.fromkeys(name for values in rows for name in values)))
        found = {_JSON_TYPES[type(value)] for value in present if type(value) in _JSON_TYPES}
        if name in config.texts and found and not any(isinstance(value, str) for value in present):
            raise InputError(f"column {name!r} holds {_joined(found)}, not text", where=path, remedy=_REMEDY)


def _joined(words: Iterable[Any]) -> str:
    return " and ".join(sorted(words))
