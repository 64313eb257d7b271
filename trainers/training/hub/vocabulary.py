"""Vocabularies of any family: which one a run takes, and the JSON of their files."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from corpusloom.schemas.errors import ConfigError, InputError

T = TypeVar("T")


def choose_vocabulary(
    key: str,
    given: tuple[str, T] | None,
    own: tuple[str, T | None] | None,
    ids: Callable[[T], object],
) -> T | None:
    """Return the vocabulary that fits the initial weights, else the configured one, else None.

    `given` is (path, vocabulary) of the configuration's `key`, `own` (path, vocabulary) of the initial weights, if
    there are any; `ids` returns what must be equal in both. Raises ConfigError if the weights would get another
    vocabulary than their own, or one that is learnt anew.
    """
    if own is None:
        return None if given is None else given[1]
    source, vocabulary = own
    if given is None and vocabulary is None:
        what = f"{source} has no vocabulary, and one that is learnt anew does not fit its weights"
        raise ConfigError(what, where=key, remedy="give the vocabulary of these weights")
    if given is not None and vocabulary is not None and ids(given[1]) != ids(vocabulary):
        what = f"{given[0]} is not the vocabulary in {source}"
        raise ConfigError(what, where=key, remedy=f"leave {key} out")
    return vocabulary if given is None else given[1]


def read_json_object(data: bytes, where: str, remedy: str) -> dict[str, Any]:
    """Return the object in a vocabulary's file, {} for another value; InputError if the bytes are not JSON."""
    try:
        value = json.loads(data)
    except ValueError as error:
        raise InputError(f"not readable as JSON: {error}", where=where, remedy=remedy) from error
    return value if isinstance(value, dict) else {}
