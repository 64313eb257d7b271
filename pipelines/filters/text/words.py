"""Words, lines and sentences: how every text filter of this room cuts a text."""

import re

VERSION = 1
_WORD = re.compile(r"/?\w+(?:[./]\w+|,\d+|-\d\w*)*|['’](?:s|re|ve|ll|[dmt])\b|\.\.\.|[^\w\s]")
# The look-behind and the possessive quantifiers keep a long run of marks linear.
_SENTENCE_END = re.compile(r"[.!?…。！？](?<![.!?…。！？].)[.!?…。！？]*+[\"'”’)\]]*+(?=\s|$)")
_CONTENT = re.compile(r"\w", re.ASCII)


def split_words(text: str) -> list[str]:
    """Return the tokens of a text: words, numbers, endings such as 's, every other mark alone.

    Near to spaCy's English tokens, which datatrove's filters count (docs/recipes.md has the differences).
    """
    return _WORD.findall(text)


def count_sentences(text: str) -> int:
    """Return the number of sentences: ends of sentences, plus one for an unfinished rest."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    rest = text[ends[-1] :] if ends else text
    return len(ends) + bool(_CONTENT.search(rest))
