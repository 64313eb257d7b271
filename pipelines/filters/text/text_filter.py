"""The Protocol of a text filter, the text it measures, and the dataclass fields that register filters in a recipe."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any, Protocol, TypeVar

from corpusloom.pipelines.filters.text.words import split_words
from corpusloom.schemas.verdicts import Rule, Scores, Verdict, decide

VERSION = 1

INTERLEAVED = ("interleaved",)
"""Kinds of recipe whose records are pages."""

Config = TypeVar("Config")
Judged = TypeVar("Judged", contravariant=True)


@dataclass(frozen=True, slots=True)
class WordLists:
    """Word lists that a user gives by path, in lower case; a score that needs a missing list is not measured."""

    bad_words: frozenset[str] | None = None
    flagged_words: frozenset[str] | None = None
    common_words: frozenset[str] | None = None
    tokens: frozenset[str] | None = None


@dataclass(frozen=True)
class Text:
    """The text of a page, with word lists and tokens; the text is tokenised once, for all filters."""

    text: str
    lists: WordLists = field(default_factory=WordLists)
    """Word lists that some measures need."""
    language: tuple[str, float] | None = None
    """Language code and the detector's probability, if the extractor detected them."""

    @cached_property
    def words(self) -> Sequence[str]:
        """Tokens of the text."""
        return split_words(self.text)


class TextFilter(Protocol[Judged]):
    """A module that measures texts and has rules over its scores. A filter does not raise and keeps no state."""

    @property
    def VERSION(self) -> int:  # noqa: N802
        """Version of the scores; a build with another version measures stored pages again."""

    def measure(self, text: Text, config: Judged | None) -> Scores:
        """Return a text's scores; None as configuration measures by the module's default settings."""

    def rules(self, config: Judged) -> tuple[Rule, ...]:
        """Return the rules in order; the first rule that fails gives the reason of the rejection."""


def judge(module: TextFilter[Config], text: str, config: Config, lists: WordLists | None = None) -> Verdict:
    """Judge one text by one filter, e.g. in a notebook: `judge(gopher_quality, text, recipe.filters.quality)`."""
    return decide(module.measure(Text(text, lists or WordLists()), config), module.rules(config))


def text_filter(module: TextFilter[Config], kinds: tuple[str, ...] = INTERLEAVED) -> Config | None:
    """Return the dataclass field that registers a text filter; a recipe without its table has the filter off."""
    made: Config | None = field(default=None, metadata={"text_filter": module, "threshold": True, "kinds": kinds})
    return made


def block_filter(module: ModuleType, kinds: tuple[str, ...] = INTERLEAVED) -> Any:
    """Return the dataclass field of a filter of blocks or pairs; a recipe without its table has the filter off."""
    return field(default=None, metadata={"module": module, "threshold": True, "kinds": kinds})
