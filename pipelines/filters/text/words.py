"""Tokenisation of texts into words, and counting of sentences, for all text filters."""

import re

VERSION = 1
_WORD = re.compile(r"/?\w+(?:[./]\w+|,\d+|-\d\w*)*|['’](?:s|re|ve|ll|[dmt])\b|\.\.\.|[^\w\s]")
# The look-behind and the possessive quantifiers keep the search linear in a long run of punctuation marks.
_SENTENCE_END = re.compile(r"[.!?…。！？](?<![.!?…。！？].)[.!?…。！？]*+[\"'”’)\]]*+(?=\s|$)")
_LINE = re.compile(r"[^\n]+")
_CONTENT = re.compile(r"\w", re.ASCII)


def split_words(text: str) -> list[str]:
    """Return the tokens of a text: words, numbers, endings such as 's, and each other mark as a token of its own.

    They are close to spaCy's English tokens, which datatrove's filters count (docs/recipes.md lists the differences).
    """
    return _WORD.findall(text)


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Return the start and end of each sentence, without the white space around it; a line break ends a sentence."""
    spans = []
    for line in _LINE.finditer(text):
        start = line.start()
        ends = [start + match.end() for match in _SENTENCE_END.finditer(line[0])]
        for end in (*ends, line.end()):
            part = text[start:end]
            if part.strip():
                spans.append((end - len(part.lstrip()), start + len(part.rstrip())))
            start = end
    return spans


def count_sentences(text: str) -> int:
    """Return the number of sentences: sentence ends, plus one if text follows the last of them."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    rest = text[ends[-1] :] if ends else text
    return len(ends) + bool(_CONTENT.search(rest))
