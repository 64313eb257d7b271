"""Keys of equal texts and equal sets of images: blake2b-128 over a normal form."""

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
    """Return a text in NFC with its white space collapsed: equal for the eye."""
    return " ".join(unicodedata.normalize("NFC", text).split())


@lru_cache(maxsize=2)
def _punctuation(replacement: str) -> dict[int, str]:
    """Return a translation of all Unicode punctuation and combining marks: marks go, the rest is replaced."""
    codes = itertools.chain(range(0x20000), range(0xE0100, 0xE01F0))  # no mark stands elsewhere (a test)
    kinds = ((code, unicodedata.category(chr(code))[0]) for code in codes)
    return {code: replacement if kind == "P" else "" for code, kind in kinds if kind in "PM"}


def loose_form(text: str, replacement: str = "") -> str:
    """Return CCNet's form (arXiv 1911.00359, §3.1): lower case, digits as 0, no accents, no punctuation.

    `replacement` stands for each punctuation mark. White space is collapsed afterwards.
    """
    text = _DIGIT.sub("0", text.lower())
    if not text.isascii():
        text = unicodedata.normalize("NFD", text)
    return " ".join(text.translate(_punctuation(replacement)).split())


def loose_words(text: str) -> list[str]:
    """Return the words of a text in the loose form, where a punctuation mark parts two words."""
    return loose_form(text, " ").split()


def _digest(*parts: str) -> str:
    text = "\x00".join(parts)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def text_key(text: str, form: str = "strict") -> str:
    """Return the key (32 hex digits) under which equal texts fall together, in the `strict` or `loose` form."""
    if form not in ("strict", "loose"):
        raise ConfigError(f"text form is {form!r}", remedy="strict or loose")
    return _digest("text", strict_form(text) if form == "strict" else loose_form(text))


def paragraph_key(domain: str, text: str) -> str:
    """Return the key of a paragraph within a registrable domain, in the loose form (OBELICS counts verbatim)."""
    return _digest("paragraph", domain, loose_form(text))


def image_set_key(images: Iterable[str]) -> str:
    """Return the key of a page's set of images (keys or URLs): order and repeats do not matter."""
    return _digest("images", *sorted(set(images)))
