"""Chooses the vocabulary of a run: that of its initial weights, a configured one, or none, if it must be learnt."""

from collections.abc import Callable
from typing import TypeVar

from corpusloom.schemas.errors import ConfigError

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
