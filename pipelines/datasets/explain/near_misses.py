"""Names that exist and are close to one that does not."""

import difflib
import heapq
import itertools
import re
from collections.abc import Iterable
from urllib.parse import unquote

from corpusloom.schemas import identity
from corpusloom.schemas.urls.redaction import redacted

MOST = 3
"""Names that are offered."""
_COMPARED = 200
"""Names that are compared letter by letter: those that share the longest beginning or the host."""
_LEAST = 0.6
"""Similarity of an offered name, 0 to 1."""
_KEY_DIGITS = 6
"""Digits of a beginning that stands for a key."""


def near_misses(name: str, known: Iterable[str]) -> list[str]:
    """Return up to MOST known names that are most like a name, the nearest first, without their secrets."""
    plain, host = _plain(name), identity.host_of(name)
    best = _largest((_closeness(name, plain, host, other), other) for other in known)
    ratios = [(_similarity(name, plain, other), other) for other in best]
    good = sorted((-ratio, other) for ratio, other in ratios if ratio >= _LEAST)
    return list(dict.fromkeys(redacted(other) for _, other in good))[:MOST]


def _largest(scored: Iterable[tuple[float, str]]) -> set[str]:
    """Return the names of the _COMPARED largest scores. Names may repeat; few of them are held in memory."""
    held: set[str] = set()
    heap: list[tuple[float, str]] = []
    for score, name in scored:
        if name in held or (len(heap) == _COMPARED and (score, name) <= heap[0]):
            continue
        held.add(name)
        heapq.heappush(heap, (score, name))
        if len(heap) > _COMPARED:
            held.discard(heapq.heappop(heap)[1])
    return held


def _plain(name: str) -> str:
    """Return a name without what people leave out or spell in two ways: scheme, www., index.html, case, escapes."""
    text = re.sub(r"^[a-z]+://(www\.)?|#.*$", "", unquote(name.strip()).casefold())
    return re.sub(r"(/index\.\w+)?/*$", "", text)


def _closeness(name: str, plain: str, host: str, other: str) -> float:
    if _is_beginning(name, other):
        return len(name) + 1_000.0
    pairs = zip(plain, _plain(other), strict=False)
    shared = sum(1 for _ in itertools.takewhile(lambda letters: letters[0] == letters[1], pairs))
    return shared + (100.0 if host and identity.host_of(other) == host else 0.0)


def _similarity(name: str, plain: str, other: str) -> float:
    if _is_beginning(name, other) or plain == _plain(other):
        return 1.0
    return difflib.SequenceMatcher(None, plain, _plain(other)).ratio()


def _is_beginning(name: str, other: str) -> bool:
    """Return whether a name is the beginning of a key, in any case."""
    return len(name) >= _KEY_DIGITS and "://" not in name and other.startswith(name.lower())
