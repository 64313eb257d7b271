"""The words of a caption with their parts of speech and named entities, whatever program tags them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

VERSION = 1
_WORD = re.compile(r"\w+(?:[.&-]\w+)*(?:(?<=\.\w)\.)?|['’](?:s|re|ve|ll|[dmt])\b|[^\w\s]")
PERSON, PLACE, ORGANISATION, DATE = "PERSON", "PLACE", "ORGANISATION", "DATE"
"""Kinds of named entity that the rules tell apart; a tagger may return others."""
DETERMINERS = frozenset(("DT", "PDT", "WDT"))
PREPOSITIONS = frozenset(("IN", "TO"))
PROPER_NOUNS = frozenset(("NNP", "NNPS"))
NOUNS = PROPER_NOUNS | {"NN", "NNS"}
_CONTENT = ("NN", "VB", "JJ", "RB")


class Tagger(Protocol):
    """A program that tags the words of one text."""

    @property
    def identity(self) -> str:
        """Name, version and hash of the model; two taggers of one identity return the same tags."""

    def __call__(self, words: Sequence[str]) -> Sequence[tuple[str, str]]:
        """Return the tag of each word (Penn Treebank) and the kind of named entity that it is part of, or ""."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word, number or mark of a text."""

    text: str
    start: int
    """Place of the first character in the text."""
    tag: str
    """Part of speech in the tags of the Penn Treebank."""
    entity: str = ""
    """Kind of the named entity that the word is part of; empty for none."""

    @property
    def end(self) -> int:
        """Return the place after the last character."""
        return self.start + len(self.text)

    @property
    def is_mark(self) -> bool:
        """Return whether it is a punctuation mark or a symbol."""
        return not any(map(str.isalnum, self.text))

    @property
    def is_content(self) -> bool:
        """Return whether it is a noun, verb, adjective or adverb."""
        return self.tag.startswith(_CONTENT)


@dataclass(frozen=True, slots=True)
class TaggedText:
    """A text and its words."""

    text: str
    words: tuple[Word, ...]

    def entities(self) -> Iterator[tuple[Word, ...]]:
        """Yield the named entities: runs of adjacent words of one kind."""
        run: list[Word] = []
        for word in self.words:
            if run and word.entity != run[-1].entity:
                yield tuple(run)
                run = []
            if word.entity:
                run.append(word)
        if run:
            yield tuple(run)


def tag_text(text: str, tagger: Tagger) -> TaggedText:
    """Return the words of a text, tagged: words and numbers, endings such as 's, and each other mark for itself."""
    found = [(match[0], match.start()) for match in _WORD.finditer(text)]
    tags = tagger([word for word, _ in found]) if found else ()
    words = (Word(word, start, *tag) for (word, start), tag in zip(found, tags, strict=True))
    return TaggedText(text, tuple(words))
