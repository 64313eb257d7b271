"""JSON files: written with a checksum of themselves, read with an error that names the file, whatever its bytes."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from corpusloom.schemas import arrow, storage
from corpusloom.schemas.errors import DamageError, InputError

T = TypeVar("T")
CHECKSUM = "checksum"
"""Top-level key of a sealed file: the sha256 of the file with an empty checksum."""
_EMPTY = b'\n "checksum": ""'
_SEALED = re.compile(rb'\n "checksum": "([0-9a-f]{64})"')


def seal(values: Mapping[str, Any]) -> bytes:
    """Return the bytes of a JSON object, keys sorted, with its checksum."""
    text = json.dumps({**values, CHECKSUM: ""}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    data = text.encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(data).hexdigest().encode()
    return data.replace(_EMPTY, _EMPTY[:-1] + digest + b'"', 1)


def loads(data: bytes, where: str, remedy: str) -> Any:
    """Return the value of a JSON text; DamageError that names the file if it is none."""
    try:
        return json.loads(data.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise DamageError(f"not readable as JSON: {error}", where=where, remedy=remedy) from error


def unseal(data: bytes, value: Any, where: str, remedy: str) -> Any:
    """Return a JSON file's value without its checksum; DamageError if the file differs from it.

    A file without a checksum, as earlier versions wrote it, is accepted.
    """
    if not isinstance(value, dict) or CHECKSUM not in value:
        return value
    found = _SEALED.search(data)
    blank = data[: found.start()] + _EMPTY + data[found.end() :] if found else data
    if not found or hashlib.sha256(blank).hexdigest().encode() != found[1]:
        raise DamageError("has changed since it was written (its checksum differs)", where=where, remedy=remedy)
    return {name: item for name, item in value.items() if name != CHECKSUM}


def read(path: str, remedy: str) -> Any:
    """Read a JSON file; DamageError with this remedy if it is damaged."""
    data = storage.read_bytes(path)
    return unseal(data, loads(data, path, remedy), path, remedy)


def read_record(path: str, cls: type[T], remedy: str) -> T:
    """Read a JSON file that holds one record; DamageError if its fields or their types are not those of the class."""
    return as_record(read(path, remedy), cls, path, remedy)


def as_record(value: Any, cls: type[T], where: str, remedy: str) -> T:
    """Return a plain value as a record of a class; DamageError that names the file if it is none."""
    try:
        return arrow.from_plain(cls, value)
    except (InputError, ValueError, TypeError, KeyError, AttributeError) as error:
        what = error.what if isinstance(error, InputError) else str(error)
        raise DamageError(f"holds no {cls.__name__}: {what}", where=where, remedy=remedy) from error


def read_object(path: str, remedy: str, keys: Mapping[str, type] | None = None) -> dict[str, Any]:
    """Read a JSON file that holds an object with these keys, each of its type; DamageError for another value."""
    value = read(path, remedy)
    if not isinstance(value, dict):
        raise DamageError(f"holds a {type(value).__name__}, not an object", where=path, remedy=remedy)
    for name, kind in (keys or {}).items():
        if not isinstance(value.get(name), kind):
            raise DamageError(f"{name} is missing or of another type", where=path, remedy=remedy)
    return value
