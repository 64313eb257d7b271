"""Phrases at the beginning or end of captions that say nothing about the image (CC3M, section 3.1.2).

A list has one phrase per line, `ACTION PLACE PHRASE`. ACTION and PLACE are `cut start`, `cut end`,
`reject start`, `reject end` or `reject whole`.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Literal, TypeAlias

from corpusloom.schemas.errors import InputError

VERSION = 1
BUNDLED = "boilerplate.txt"
_LINE = re.compile(r"(?!cut +whole)(cut|reject) +(start|end|whole) +(\S.*)")
_OUTER = " .,:;!?-–—|/*•#()[]\"'«»<>"
"""Marks around a phrase, which do not count when it is compared."""
_BEFORE, _AFTER = " :;,-–—|/*•#([<", " .,:;!?-–—|/*•#)]>"
"""Marks that are cut with a phrase: those before one at the end, those after one at the start."""

Action: TypeAlias = Literal["cut", "reject"]
Place: TypeAlias = Literal["start", "end", "whole"]
PLACES: tuple[Place, ...] = ("start", "end", "whole")


@dataclass(frozen=True)
class Phrases:
    """Phrases by action and place."""

    phrases: tuple[tuple[str, str, str], ...]
    """(action, place, phrase) of each; the phrase is in lower case with single blanks."""

    @cached_property
    def _by_length(self) -> Mapping[tuple[str, str], Mapping[int, frozenset[str]]]:
        """Return (action, place) -> length, the longest first -> phrases of that length."""
        found: dict[tuple[str, str], dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        for action, place, phrase in self.phrases:
            found[action, place][len(phrase)].add(phrase)
        return {
            key: {length: frozenset(found[key][length]) for length in sorted(found[key], reverse=True)} for key in found
        }

    def _find(self, text: str, action: Action, place: Place) -> int:
        """Return the length of the longest phrase at a place of a text without outer marks; 0 for none."""
        for length, phrases in self._by_length.get((action, place), {}).items():
            part = text[-length:] if place == "end" else text[:length]
            beside = text[-length - 1 : -length] if place == "end" else text[length : length + 1]
            if part.lower() in phrases and not (beside if place == "whole" else beside.isalnum()):
                return length
        return 0

    def rejects(self, text: str) -> bool:
        """Return whether a text begins, ends or consists of a phrase for which it is rejected."""
        bare = text.strip(_OUTER)
        return any(self._find(bare, "reject", place) for place in PLACES)

    def cut(self, text: str) -> str:
        """Return a text without known beginnings and endings; one that would be empty is returned as it is."""
        kept = text
        while True:
            bare = kept.strip(_OUTER)
            start, end = self._find(bare, "cut", "start"), self._find(bare, "cut", "end")
            if start:
                kept = kept.lstrip(_OUTER)[start:].lstrip(_AFTER)
            elif end:
                kept = kept.rstrip(_OUTER)[:-end].rstrip(_BEFORE)
            else:
                return kept
            if not any(map(str.isalnum, kept)):
                return text


def parse_phrases(lines: Iterable[str], where: str) -> Phrases:
    """Return the phrases of a list; lines that begin with # are comments. A line of another form is an InputError."""
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            match = _LINE.fullmatch(line.strip())
            if match is None:
                remedy = (
                    "write cut or reject, then start or end (reject also whole), then the phrase: cut end stock photo"
                )
                raise InputError(f"line {number} is {line.strip()!r}", where=where, remedy=remedy)
            found.append((match[1], match[2], " ".join(match[3].lower().split())))
    return Phrases(tuple(found))


def bundled_lines() -> list[str]:
    """Return the lines of the list that ships."""
    return resources.files(__package__).joinpath(BUNDLED).read_text("utf-8").splitlines()
