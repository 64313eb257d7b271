"""Words, lines and paragraphs as the text rules count them (Gopher, arXiv 2112.11446, App. A.1; datatrove's tokens)."""

import re
from functools import lru_cache

_TOKEN = re.compile(r"\w+(?:[’'\-]\w+)*|[^\w\s]+")
_LINES = re.compile(r"\n+")
_PARAGRAPHS = re.compile(r"\n{2,}")


@lru_cache(maxsize=8)
def tokens(text: str) -> tuple[str, ...]:
    """Return words and runs of punctuation, in order."""
    return tuple(_TOKEN.findall(text))


def words(text: str) -> list[str]:
    """Return the tokens that are not punctuation alone."""
    return [token for token in tokens(text) if any(character.isalnum() for character in token)]


def lines(text: str) -> list[str]:
    """Return the lines, split at runs of line breaks."""
    return _LINES.split(text)


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs, split at blank lines of the stripped text."""
    return _PARAGRAPHS.split(text.strip())
