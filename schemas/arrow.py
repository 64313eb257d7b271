"""Converts records to and from Arrow tables: derives schemas from the classes, upgrades older tables."""

import dataclasses
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, TypeVar, Union

import pyarrow as pa
import pyarrow.compute as pc

from corpusloom.schemas.errors import InputError, VersionError

T = TypeVar("T")

_SCALARS: dict[type, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    bytes: pa.binary(),
}


def _measured_alike(facts: pa.Table) -> pa.Table:
    """Return the rows of images that version 1 decoded as today; those of the others are computed again."""
    otherwise = pc.or_(pc.is_valid(facts["error"]), pc.equal(facts["format"], "avif"))
    return facts.filter(pc.invert(otherwise))


def _with_empty(table: pa.Table, name: str, before: str) -> pa.Table:
    """Return a table with a column of empty lists of strings before another one."""
    at = table.schema.get_field_index(before)
    kind = data_type(tuple[str, ...])
    empty = pa.array([[]] * table.num_rows, kind)
    return table.add_column(at, pa.field(name, kind, nullable=False), empty)


def _with_cleaned(table: pa.Table) -> pa.Table:
    """Return pairs of version 1, whose texts were not cleaned, as pairs of version 2."""
    return _with_empty(table, "cleaned", before="language")


def _with_columns(table: pa.Table) -> pa.Table:
    """Return pairs of version 2, which had no further columns, as pairs of version 3."""
    kind = data_type(dict[str, str])
    empty = pa.array([[]] * table.num_rows, kind)
    at = table.schema.get_field_index("language")
    return table.add_column(at, pa.field("columns", kind, nullable=False), empty)


def _with_page_language(table: pa.Table) -> pa.Table:
    """Return pairs of version 3, which had no language of the page, as pairs of version 4."""
    at = table.schema.get_field_index("image_url")
    return table if at < 0 else table.add_column(at, "page_language", pa.nulls(table.num_rows, pa.string()))


def _with_original(table: pa.Table) -> pa.Table:
    """Return pairs of version 4, whose texts were not rewritten, as pairs of version 5."""
    at = table.schema.get_field_index("text_source")
    return (
        table
        if at < 0
        else table.add_column(at, pa.field("original", pa.string()), pa.nulls(table.num_rows, pa.string()))
    )


def _with_tokens_and_entries(table: pa.Table) -> pa.Table:
    """Return heads of version 1, which had neither, as heads of version 2; columns that are not read stay away."""
    if "frequent_paragraphs" not in table.column_names:
        return table
    return _with_empty(_with_empty(table, "tokens", "frequent_paragraphs"), "entries", "frequent_paragraphs")


def _add_policy(table: pa.Table) -> pa.Table:
    """Add the settings of refusals, which the first version lacked: they are taken for the defaults."""
    return table.append_column("policy", pa.nulls(table.num_rows, pa.string()))


def _add_crc32c(table: pa.Table) -> pa.Table:
    """Add the field crc32c, without values, to the members of sidecar rows of version 1."""
    at = table.schema.get_field_index("members")
    if at < 0:
        return table
    members = table.schema.field(at)
    item = members.type.value_field
    wider = pa.list_(item.with_type(pa.struct([*item.type, pa.field("crc32c", pa.int64())])))
    return table.set_column(at, members.with_type(wider), table.column(at).cast(wider))


def _with_image_title(table: pa.Table) -> pa.Table:
    """Add the field image_title, without values, to the images of pages of version 1."""
    for name in ("blocks", "meta_images"):
        at = table.schema.get_field_index(name)
        if at >= 0:
            column = table.schema.field(at)
            wider = column.with_type(_widened(column.type))
            table = table.set_column(at, wider, table.column(at).cast(wider.type))
    return table


def _widened(kind: pa.DataType) -> pa.DataType:
    """Return a type with the field image_title after each field `title` of an image."""
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_widened(kind.value_type)))
    if not pa.types.is_struct(kind):
        return kind
    inner = [item.with_type(_widened(item.type)) for item in kind]
    titles = [at for at, item in enumerate(inner, 1) if item.name == "title"]
    return pa.struct(
        [*inner[: titles[0]], pa.field("image_title", pa.string()), *inner[titles[0] :]] if titles else inner
    )


def _with_sizes_and_places(table: pa.Table) -> pa.Table:
    """Add sizes of 0 and places without a value to detector outputs of version 1."""
    zeros = pa.array([0] * len(table), pa.int64())
    table = table.append_column("image_width", zeros).append_column("image_height", zeros)
    return table.append_column("place", pa.nulls(len(table), pa.string()))


UPGRADES: dict[tuple[str, int], Callable[[pa.Table], pa.Table]] = {
    ("Candidate", 1): _with_tokens_and_entries,
    ("DetectorOutput", 1): _with_sizes_and_places,
    ("FrontierRow", 1): _add_policy,
    ("ImageFacts", 1): _measured_alike,
    ("ImageRecord", 1): _add_policy,
    ("Page", 1): _with_image_title,
    ("Pair", 1): _with_cleaned,
    ("Pair", 2): _with_columns,
    ("Pair", 3): _with_page_language,
    ("Pair", 4): _with_original,
    ("SidecarRow", 1): _add_crc32c,
}
"""(record name, version) -> the function that converts a table of that version to the next one."""


def _optional(hint: Any) -> tuple[Any, bool]:
    """Split `X | None` into (X, True); any other annotation is (annotation, False)."""
    if typing.get_origin(hint) in (Union, types.UnionType):
        options = [arg for arg in typing.get_args(hint) if arg is not type(None)]
        if len(options) == 1:
            return options[0], True
    return hint, False


@cache
def _hints(cls: type) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {item.name: hints[item.name] for item in dataclasses.fields(cls)}


def data_type(hint: Any) -> pa.DataType:
    """Return the Arrow type of an annotation: scalars, tuple[X, ...], dict[str, X], a fixed tuple or a dataclass."""
    hint, _ = _optional(hint)
    if hint in _SCALARS:
        return _SCALARS[hint]
    if dataclasses.is_dataclass(hint):
        return pa.struct([_field(name, inner) for name, inner in _hints(typing.cast(type, hint)).items()])
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        return pa.list_(pa.field("item", data_type(args[0]), nullable=False))
    if origin is dict and args[0] is str:
        return pa.map_(pa.string(), pa.field("value", data_type(args[1]), nullable=False))
    raise TypeError(f"{hint!r} has no Arrow type here")


def _field(name: str, hint: Any) -> pa.Field:
    inner, nullable = _optional(hint)
    return pa.field(name, data_type(inner), nullable=nullable)


@cache
def schema(cls: type) -> pa.Schema:
    """Return the Arrow schema of a record class. Its metadata hold the name of the record and its version."""
    fields = [_field(name, hint) for name, hint in _hints(cls).items()]
    version: int = getattr(cls, "VERSION", 1)
    return pa.schema(fields, metadata={"corpusloom.record": record_name(cls), "corpusloom.version": str(version)})


def record_name(cls: type) -> str:
    """Return the name of a record class in Parquet metadata: its own, unless `RECORD` keeps an older one."""
    return getattr(cls, "RECORD", cls.__name__)


def to_plain(value: Any) -> Any:
    """Return a record as dicts, lists and scalars, as pyarrow and json accept them."""
    if value is None or type(value) in _SCALARS:  # most values
        return value
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: to_plain(item) for name, item in sorted(value.items())}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: to_plain(getattr(value, name)) for name in _hints(type(value))}
    return value


@cache
def _unbuilder(hint: Any) -> Callable[[Any], Any] | None:
    """Return the function that converts a value of `hint` for pyarrow; None if no conversion is needed.

    Records become dicts, tuples become lists, and maps become lists of pairs in order of their keys.
    """
    hint, _ = _optional(hint)
    if dataclasses.is_dataclass(hint):
        inner = [(name, _unbuilder(kind)) for name, kind in _hints(typing.cast(type, hint)).items()]
        return lambda value: (
            None
            if value is None
            else {name: getattr(value, name) if turn is None else turn(getattr(value, name)) for name, turn in inner}
        )
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        item = _unbuilder(args[0])
        if item is None:
            return None
        return lambda value: None if value is None else [item(part) for part in value]
    if origin is dict:
        return _pairs(_unbuilder(args[1]))
    return None


def _pairs(turn: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    if turn is None:
        return lambda value: None if value is None else sorted(value.items())
    return lambda value: None if value is None else [(name, turn(item)) for name, item in sorted(value.items())]


def _column(rows: list[Any], name: str, hint: Any) -> list[Any]:
    turn, values = _unbuilder(hint), [getattr(row, name) for row in rows]
    return values if turn is None else [turn(value) for value in values]


def to_table(cls: type, records: Iterable[Any]) -> pa.Table:
    """Return records of one class as a table, in the given order."""
    target, hints = schema(cls), _hints(cls)
    rows = list(records)
    columns = [pa.array(_column(rows, item.name, hints[item.name]), type=item.type) for item in target]
    return pa.table(columns, schema=target)


@cache
def _builder(hint: Any) -> Callable[[Any], Any]:
    """Return the function that builds a value of `hint` from a value of Arrow's to_pylist."""
    hint, _ = _optional(hint)
    if dataclasses.is_dataclass(hint):
        cls: Any = hint
        builders = {name: _builder(inner) for name, inner in _hints(cls).items()}
        return lambda row: None if row is None else cls(**{name: build(row[name]) for name, build in builders.items()})
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        inner = _builder(args[0])
        return lambda items: None if items is None else tuple(inner(item) for item in items)
    if origin is dict:
        inner = _builder(args[1])
        return lambda items: {name: inner(item) for name, item in (items or ())}
    return lambda value: value


def from_plain(cls: type[T], value: dict[str, Any]) -> T:
    """Build a record from JSON's dicts and lists (the inverse of `to_plain`); an unknown name is an InputError."""
    unknown = set(value) - set(_hints(typing.cast(Any, cls)))
    if unknown:
        raise InputError(f"{cls.__name__} has no field {sorted(unknown)[0]!r}")
    return typing.cast(T, _from_plain(cls, value))


def _from_plain(hint: Any, value: Any) -> Any:
    hint, optional = _optional(hint)
    if value is None and optional:
        return None
    if dataclasses.is_dataclass(hint):
        cls: Any = hint
        return cls(**{name: _from_plain(inner, value[name]) for name, inner in _hints(cls).items() if name in value})
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and args[-1] is Ellipsis:
        return tuple(_from_plain(args[0], item) for item in value)
    if origin is tuple:
        return tuple(_from_plain(inner, item) for inner, item in zip(args, value, strict=True))
    if origin is dict:
        return {name: _from_plain(args[1], item) for name, item in value.items()}
    if hint is float and type(value) is int:
        return float(value)
    if hint in _SCALARS and type(value) is not hint:
        raise InputError(f"{value!r} is no {hint.__name__}")
    return value


def upgrade(cls: type, table: pa.Table, where: str = "") -> pa.Table:
    """Convert a table of an older version of `cls` to the current one; refuse a newer version and other records."""
    metadata = table.schema.metadata or {}
    name = metadata.get(b"corpusloom.record", b"").decode()
    if name != record_name(cls):
        raise InputError(
            f"holds {name or 'no corpusloom'} rows, not {record_name(cls)}",
            where=where,
            remedy="name another file",
        )
    version, current = int(metadata[b"corpusloom.version"]), getattr(cls, "VERSION", 1)
    if version > current:
        raise VersionError(
            f"{name} rows of version {version}, this corpusloom reads up to {current}",
            where=where,
            remedy="upgrade corpusloom",
        )
    while version < current:
        table = UPGRADES[name, version](table)
        version += 1
    return table


def from_table(cls: type[T], table: pa.Table, where: str = "") -> Iterator[T]:
    """Yield the rows of a table as records of `cls`, older versions upgraded."""
    build = _builder(typing.cast(Any, cls))
    for batch in upgrade(cls, table, where).to_batches(max_chunksize=2048):
        for row in batch.to_pylist():
            yield build(row)
