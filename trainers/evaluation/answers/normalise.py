"""Normalises answers as the evaluation code of VQA v2 does (arXiv 1505.00468; visualqa.org/evaluation).

Punctuation, number words, articles and contractions change, in this order. The table of contractions is data of that
code; without it `CONTRACTIONS` stands in, which covers the negations alone.
"""

import json
import re
from collections.abc import Mapping

from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError

NUMBERS = {"none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5"}
NUMBERS |= {"six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10"}
ARTICLES = frozenset({"a", "an", "the"})
PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_NEGATED = "ai are ca could did does do had has have is might must need sha should was were wo would"
CONTRACTIONS = {f"{word}nt": f"{word}n't" for word in _NEGATED.split()}
"""Our own table, for a user without the official one: negations without their apostrophe -> with it."""
NOT_OFFICIAL = "contractions are our own short table: not official"
_PERIOD = re.compile(r"\.(?!\d)")
_COMMA_IN_NUMBER = re.compile(r"\d,\d")
_MOST_PERIODS = 32
"""Periods that are removed, at most: the evaluation code passes the flag re.UNICODE, 32, as the count."""


def load_contractions(path: str) -> dict[str, str]:
    """Return a table of contractions, a JSON object: word without apostrophe -> word. Raises InputError for others."""
    try:
        table = json.loads(storage.read_bytes(path))
    except ValueError as error:
        raise InputError(f"not JSON: {error}", where=path, remedy="write the table as a JSON object") from error
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise InputError("not a table of words", where=path, remedy='write {"dont": "don\'t", ...}')
    return table


def normalise(answer: str, contractions: Mapping[str, str] = CONTRACTIONS) -> str:
    """Return an answer in its normal form."""
    words = without_punctuation(answer).lower().split()
    kept = (NUMBERS.get(word, word) for word in words)
    return " ".join(contractions.get(word, word) for word in kept if word not in ARTICLES)


def without_punctuation(text: str) -> str:
    """Return a text without its marks and periods.

    A mark with a blank beside it, or any mark of a text with a number like 1,000, is deleted; others become a blank. A
    period before a digit stays.
    """
    found, number = text, _COMMA_IN_NUMBER.search(text) is not None
    for mark in PUNCTUATION:
        beside_blank = f"{mark} " in text or f" {mark}" in text
        found = found.replace(mark, "" if number or beside_blank else " ")
    return _PERIOD.sub("", found, count=_MOST_PERIODS)
