"""Keys of exact duplicates: blake2b-128 over the normal form of a text, a paragraph or a set of images."""

import hashlib
import itertools
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from corpusloom.schemas.errors import ConfigError

VERSION = 1
_DIGIT = re.compile(r"\d")


def strict_form(text: str) -> str:
    """Return a text in NFC with its white space collapsed, so that texts which look equal are equal."""
    return " ".join(unicodedata.normalize("NFC", text).split())


@lru_cache(maxsize=2)
def _punctuation(replacement: str) -> dict[int, str]:
    """Return a translation that removes combining marks and replaces Unicode punctuation."""
    codes = itertools.chain(range(0x20000), range(0xE0100, 0xE01F0))  # a test checks that no other ranges matter
    kinds = ((code, unicodedata.category(chr(code))[0]) for code in codes)
    return {code: replacement if kind == "P" else "" for code, kind in kinds if kind in "PM"}


def loose_form(text: str, replacement: str = "") -> str:
    """Return CCNet's form (arXiv 1911.00359, §3.1): lower case, digits as 0, no accents, no punctuation.

    Each punctuation mark becomes `replacement`. White space is collapsed afterwards.
    """
    text = _DIGIT.sub("0", text.lower())
    if not text.isascii():
        text = unicodedata.normalize("NFD", text)
    return " ".join(text.translate(_punctuation(replacement)).split())


def loose_words(text: str) -> list[str]:
    """Return the words of a text in the loose form; punctuation separates words."""
    return loose_form(text, " ").split()


def _digest(*parts: str) -> str:
    text = "\x00".join(parts)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def text_key(text: str, form: str = "strict") -> str:
    """Return the key (32 hex digits) of a text: equal for texts with equal `strict` or `loose` forms."""
    if form not in ("strict", "loose"):
        raise ConfigError(f"text form is {form!r}", remedy="strict or loose")
    return _digest("text", strict_form(text) if form == "strict" else loose_form(text))


def paragraph_key(domain: str, text: str) -> str:
    """Return the key of a paragraph within a registrable domain, in the loose form (OBELICS counts verbatim)."""
    return _digest("paragraph", domain, loose_form(text))


def image_set_key(images: Iterable[str]) -> str:
    """Return the key of a set of images, given as keys or URLs in any order, with or without repeats."""
    return _digest("images", *sorted(set(images)))
