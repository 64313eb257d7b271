"""Captions without names, dates and numbers (CC3M: Sharma et al., ACL 2018, section 3.1.4).

Modifiers of nouns that are names, numbers or units are dropped, and dates, durations and "in PLACE". Each other name
becomes its hypernym, and equal nouns joined by "and" become one plural.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from corpusloom.pipelines.filters.pairs.conceptual.tagged_text import (
    DATE,
    NOUNS,
    ORGANISATION,
    PERSON,
    PLACE,
    PREPOSITIONS,
    PROPER_NOUNS,
    TaggedText,
    Word,
)
from corpusloom.pipelines.filters.pairs.conceptual.textblob_tagger import load_english
from corpusloom.pipelines.filters.pairs.conceptual.wordnet import WordNetNouns

VERSION = 1
UNITS = frozenset(
    (
        *("mm", "cm", "m", "km", "inch", "inches", "ft", "foot", "feet", "yard", "yards", "mile", "miles"),
        *("mph", "kph", "hp", "kw", "g", "kg", "lb", "lbs", "oz", "ton", "tons", "ml", "l", "litre", "litres"),
        *("mp", "px", "dpi"),
    )
)
MONTHS = frozenset(
    (
        *("january", "february", "march", "april", "june", "july", "august", "september", "october", "november"),
        *("december", "jan", "feb", "apr", "jun", "jul", "aug", "sept", "sep", "oct", "nov", "dec", "may"),
    )
)
DAYS = frozenset(["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"])
PERIODS = frozenset(["seconds", "minutes", "hours", "days", "weeks", "months", "years", "decades", "centuries"])
KINDS = {PERSON: "person", PLACE: "location", ORGANISATION: "organization"}
"""Hypernym of a name that WordNet lacks, by the kind that the tagger gives it."""
_YEAR = re.compile(r"(?:1[0-9]|20)\d\ds?")
_NUMBER = re.compile(r"\d.*")
_OPEN = frozenset(("DT", "IN", "TO", "CC", "PRP$"))


@dataclass(frozen=True, slots=True)
class _Piece:
    """A word of the new caption."""

    text: str
    tag: str
    glued: bool
    """Whether no blank stands before it."""
    hypernym: bool = False
    moved: bool = False
    """Whether the word before it in the caption was dropped."""


@dataclass(frozen=True, slots=True)
class Hypernymised:
    """A caption without names."""

    text: str
    hypernyms: tuple[str, ...]
    """The nouns that replaced names, each once, sorted."""
    unresolved: int
    """Names of which neither WordNet nor the tagger knows the kind; they are left in the text."""
    words: int
    is_incomplete: bool
    """Whether the text has no noun, or ends in an article, a preposition or a conjunction."""


def replace_names(tagged: TaggedText, wordnet: WordNetNouns) -> Hypernymised:
    """Return a caption with hypernyms in place of names."""
    words = [_plain(word, place, wordnet) for place, word in enumerate(tagged.words)]
    dropped = _dates(words) | _places(words)
    dropped |= _modifiers(words, dropped)
    pieces, unresolved = _pieces(words, dropped, wordnet)
    hypernyms = tuple(sorted({piece.text for piece in pieces if piece.hypernym}))
    pieces = _articles(_tidy(_plurals(_tidy(pieces))))
    text = "".join(piece.text if piece.glued else f" {piece.text}" for piece in pieces).strip()
    spoken = [piece for piece in pieces if any(map(str.isalnum, piece.text))]
    incomplete = not any(piece.tag in NOUNS for piece in spoken) or spoken[-1].tag in _OPEN
    return Hypernymised(text, hypernyms, unresolved, len(spoken), incomplete)


def _plain(word: Word, place: int, wordnet: WordNetNouns) -> Word:
    """Return a first word that is only in capitals because it is the first as a common noun."""
    if place == 0 and word.tag in PROPER_NOUNS and not word.entity and wordnet.is_noun(word.text):
        return replace(word, tag="NN")
    return word


def _is_date(word: Word) -> bool:
    lower = word.text.lower().rstrip(".")
    named = word.text[0].isupper() and (lower in MONTHS or lower in DAYS)
    return word.entity == DATE or named or _YEAR.fullmatch(lower) is not None


def _dates(words: Sequence[Word]) -> set[int]:
    """Return the places of dates ("on May 3, 2012") and durations ("for 3 years") with the preposition before them."""
    found: set[int] = set()
    for place, word in enumerate(words):
        if _is_date(word):
            found.add(place)
        elif word.text.lower() in PERIODS and place > 0 and words[place - 1].tag == "CD":
            found |= {place - 1, place}
    found |= _beside(words, found, range(len(words)), 1)
    found |= _beside(words, found, range(len(words) - 1, -1, -1), -1)
    return found | _prepositions(words, found)


def _beside(words: Sequence[Word], dates: set[int], places: Iterable[int], step: int) -> set[int]:
    """Return the places of numbers, and of commas before one, that follow a date in the direction of `step`."""
    found: set[int] = set()
    for place in places:
        if place - step in dates or place - step in found:
            after = words[place + step] if 0 <= place + step < len(words) else None
            comma = words[place].text == "," and after is not None and _is_dated(after)
            if comma or _NUMBER.fullmatch(words[place].text):
                found.add(place)
    return found


def _is_dated(word: Word) -> bool:
    return _is_date(word) or _NUMBER.fullmatch(word.text) is not None


def _places(words: Sequence[Word]) -> set[int]:
    """Return the places of "in PLACE" and "in PLACE, PLACE"."""
    found: set[int] = set()
    for place, word in enumerate(words):
        begins = word.entity == PLACE and place > 0 and words[place - 1].text.lower() == "in"
        goes_on = word.entity == PLACE and place - 1 in found
        after_comma = word.entity == PLACE and place > 1 and words[place - 1].text == "," and place - 2 in found
        if begins or goes_on or after_comma:
            found |= {place, place - 1}
    return found


def _prepositions(words: Sequence[Word], found: set[int]) -> set[int]:
    """Return the places of prepositions, with an article, directly before a found run."""
    before: set[int] = set()
    for place in found:
        near = place - 1
        if near >= 0 and near not in found and words[near].text.lower() == "the":
            near -= 1
        if near >= 0 and near not in found and words[near].tag in PREPOSITIONS:
            before |= set(range(near, place))
    return before


def _modifiers(words: Sequence[Word], dropped: set[int]) -> set[int]:
    """Return the places of names, numbers and units before a common noun, and of names right after one."""
    found: set[int] = set()
    for place, word in enumerate(words):
        if word.tag in ("NN", "NNS") and not word.entity and word.text.lower() not in UNITS and place not in dropped:
            near = place - 1
            while near >= 0 and _modifies(words[near]):
                if not words[near].tag.startswith("JJ") or _NUMBER.match(words[near].text):
                    found.add(near)
                near -= 1
            near = place + 1
            while near < len(words) and _is_name(words[near]) and word.tag == "NN":
                found.add(near)
                near += 1
    return found


def _modifies(word: Word) -> bool:
    return _is_name(word) or word.tag in ("CD", "JJ") or word.text.lower() in UNITS


def _is_name(word: Word) -> bool:
    return (word.tag in PROPER_NOUNS or word.entity in KINDS) and not word.is_mark


def _pieces(words: Sequence[Word], dropped: set[int], wordnet: WordNetNouns) -> tuple[list[_Piece], int]:
    """Return the words that remain with names replaced, and the number of names without a hypernym."""
    pieces: list[_Piece] = []
    unresolved, end, place = 0, -1, 0
    while place < len(words):
        last = place + 1
        if _is_name(words[place]) and place not in dropped:
            while last < len(words) and last not in dropped and _continues(words[last], words[place]):
                last += 1
        if place not in dropped:
            run = words[place:last]
            glued, moved = run[0].start == end, place > 0 and place - 1 in dropped
            noun = _hypernym(run, wordnet) if _is_name(run[0]) else None
            if noun is not None:
                pieces.append(_Piece(noun, "NN", glued, True, moved))
            else:
                unresolved += _is_name(run[0])
                pieces.append(_Piece(run[0].text, run[0].tag, glued, moved=moved))
                pieces += [_Piece(word.text, word.tag, word.start == before.end) for before, word in pairwise(run)]
        end = words[last - 1].end
        place = last
    return pieces, unresolved


def _continues(word: Word, first: Word) -> bool:
    return _is_name(word) and word.entity == first.entity


def _hypernym(run: Sequence[Word], wordnet: WordNetNouns) -> str | None:
    """Return the hypernym of a name by WordNet, else by its kind."""
    return wordnet.hypernym(" ".join(word.text for word in run)) or KINDS.get(run[0].entity)


def _tidy(pieces: Sequence[_Piece]) -> list[_Piece]:
    """Return pieces without marks that have lost the words on one of their sides."""
    kept: list[_Piece] = []
    for piece in pieces:
        separates = piece.text in (",", ";", ":", "-", "–", "—", "|", "&")
        if separates and (not kept or kept[-1].text in (",", ";", ":", "-", "–", "—", "|")):
            continue
        kept.append(piece)
    while kept and kept[-1].text in (",", ";", ":", "-", "–", "—", "|", "(", "&"):
        kept.pop()
    return kept


def _plurals(pieces: Sequence[_Piece]) -> list[_Piece]:
    """Return pieces with "X and X", "X, X" and "a X and a X" as one plural."""
    kept: list[_Piece] = []
    place = 0
    while place < len(pieces):
        piece, last = pieces[place], place
        while (twin := _twin(pieces, last)) > last:
            last = twin
        if last > place and piece.tag == "NN":
            piece = replace(piece, text=_plural()(piece.text), tag="NNS")
        kept.append(piece)
        place = last + 1
    return kept


def _twin(pieces: Sequence[_Piece], place: int) -> int:
    """Return the place of an equal noun joined to the one at `place`, with the same article or none; else `place`."""
    near = place + 1
    if near < len(pieces) and pieces[near].text.lower() in ("and", "&", ","):
        near += 1
        articles = [pieces[at].text.lower() for at in (place - 1, near) if 0 <= at < len(pieces)]
        if len(articles) == 2 and articles[0] == articles[1] and pieces[near].tag == "DT":
            near += 1
        if near < len(pieces) and _alike(pieces[place], pieces[near]):
            return near
    return place


def _alike(first: _Piece, second: _Piece) -> bool:
    return first.tag in NOUNS and first.tag == second.tag and first.text.lower() == second.text.lower()


def _plural() -> Callable[[str], str]:
    """Return textblob's function that forms plurals."""
    pluralize: Callable[[str], str] = load_english().inflect.pluralize
    return pluralize


def _articles(pieces: Sequence[_Piece]) -> list[_Piece]:
    """Return pieces with "a" or "an" by the first letter of a word that was not behind it, and none before a plural."""
    kept: list[_Piece] = []
    for place, piece in enumerate(pieces):
        after = pieces[place + 1] if place + 1 < len(pieces) else None
        if piece.text.lower() in ("a", "an") and after is not None:
            if after.tag == "NNS":
                continue
            article = "an" if after.text[0].lower() in "aeiou" else "a"
            same = article.capitalize() if piece.text[0].isupper() else article
            piece = replace(piece, text=same) if after.hypernym or after.moved else piece
        kept.append(piece)
    return kept
