"""Finds the entries of a metadata list in a text, as MetaCLIP's curation does (arXiv 2309.16671, section 3.2).

An entry matches if it stands in the text as whole words, in this case and spelling, after blanks were put around
punctuation marks. All matches count, also those inside others. Aho-Corasick finds them in one pass, whatever the number
of entries.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ahocorasick_rs import AhoCorasick

from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError

VERSION = 1
_MARKS = ",.;:?!`"
_BREAKS = "\t\r\n"
_ANY = re.compile(f"[{_MARKS}{_BREAKS}]")


def spaced(text: str) -> str:
    """Return a text with blanks around punctuation marks and at both ends, as the published code has it."""
    if _ANY.search(text):
        for mark in _MARKS:
            text = text.replace(mark, f" {mark} ")
        for character in _BREAKS:
            text = text.replace(character, " ")
    return f" {text} "


@dataclass(frozen=True)
class EntryMatcher:
    """A list of entries; the automaton is built when the first text is searched."""

    entries: tuple[str, ...]

    @cached_property
    def _automaton(self) -> AhoCorasick:
        return AhoCorasick([f" {entry} " for entry in self.entries])

    def find(self, text: str) -> tuple[str, ...]:
        """Return the entries that a text has, each once, in the order of the list."""
        matches = self._automaton.find_matches_as_indexes(spaced(text), overlapping=True)
        return tuple([self.entries[number] for number in sorted({number for number, _, _ in matches})])


def read_entries(path: str) -> tuple[str, ...]:
    """Read a list of entries: a JSON list of texts, as MetaCLIP publishes it, or one entry per line.

    Raises InputError for a file that is neither, that has no entry, or an empty one.
    """
    text = storage.read_bytes(path).decode("utf-8", "strict" if path.endswith(".json") else "replace")
    entries = _from_json(text, path) if path.endswith(".json") else text.splitlines()
    if not entries or not all(isinstance(entry, str) and entry.strip() for entry in entries):
        what = "has an empty entry" if entries else "has no entries"
        raise InputError(what, where=path, remedy="give one entry per line, or a JSON list of texts")
    return tuple(dict.fromkeys(entries))


def _from_json(text: str, path: str) -> Sequence[str]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InputError(f"is not JSON: {error}", where=path, remedy="give a JSON list of texts") from None
    if not isinstance(found, list):
        raise InputError("is not a JSON list", where=path, remedy="give a JSON list of texts")
    return found
