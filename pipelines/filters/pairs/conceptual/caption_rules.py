"""Rules for captions by their parts of speech: Conceptual Captions (Sharma et al., ACL 2018, section 3.1.2).

Conceptual 12M relaxes them (arXiv 2102.08981, section 2.1). Shares are per word; punctuation marks are no words.
"""

from collections.abc import Collection
from dataclasses import dataclass

from corpusloom.pipelines.filters.pairs.conceptual.polarity import measure_polarity
from corpusloom.pipelines.filters.pairs.conceptual.tagged_text import (
    DETERMINERS,
    NOUNS,
    PERSON,
    PREPOSITIONS,
    TaggedText,
    Word,
)
from corpusloom.schemas.config import threshold
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.verdicts import Above, Below, Rule, Scores, at_least, at_most

VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class ConceptualConfig:
    """The tagger, thresholds for its tags, and what is cut from captions and replaced in them."""

    tagger: str = "textblob"
    """Program that tags parts of speech and names: textblob (extra `captions`), which knows 600 famous names."""
    boilerplate: bool = threshold(False, measured=True)
    """Cut "click to enlarge", "stock photo" and the like at both ends of a caption, and reject "profile photo of" and
    the like (CC3M §3.1.2)."""
    phrases: str | None = None
    """More phrases for `boilerplate` by path or URL, one per line: cut start, cut end, reject start, reject end or
    reject whole, then the phrase."""
    min_unique_words: float | Above | None = threshold()
    """Different ones among the nouns, verbs, adjectives and adverbs, as a share, at least (CC3M §3.1.2: no value)."""
    min_determiners: int | Above | None = threshold()
    """Determiners, at least (CC3M §3.1.2: 1)."""
    min_nouns: int | Above | None = threshold()
    """Nouns, at least (CC3M §3.1.2: 1)."""
    min_prepositions: int | Above | None = threshold()
    """Prepositions, at least (CC3M §3.1.2: 1; none for CC12M)."""
    max_noun_share: float | Below | None = threshold()
    """Share of words that are nouns, at most (CC3M §3.1.2: no value)."""
    max_repeated_words: float | Below | None = threshold()
    """Share of words that occurred earlier in the caption, at most (CC12M §2.1: 0.2)."""
    capital_start: bool = threshold(False)
    """Reject captions whose first word begins with a small letter (CC3M §3.1.2)."""
    max_capital_words: float | Below | None = threshold()
    """Share of words that begin with a capital letter, at most (CC3M §3.1.2: no value)."""
    min_polarity: float | Above | None = threshold()
    """Polarity of the caption by textblob's lexicon, -1 to 1, at least (CC3M §3.1.2: no value)."""
    max_polarity: float | Below | None = threshold()
    """Polarity, at most (CC3M §3.1.2: no value)."""
    max_bad_words: int | Below | None = threshold()
    """Words of `filters.lists.bad_words`, at most (CC3M §3.1.2: 0); not measured without that list."""
    person: str | None = threshold(measured=True)
    """Text that replaces the name of each person (CC12M §2.2: <PERSON>)."""
    wordnet: str | None = None
    """Folder of WordNet's files, such as /usr/share/wordnet of Debian's wordnet-base. With it names become hypernyms,
    and dates, numbers and names before nouns are dropped (CC3M §3.1.4); without it they stay."""
    min_rewritten_words: int | Above | None = threshold()
    """Words of a caption without names, at least (CC3M §3.1.4: too short captions are dropped; no value)."""
    max_unresolved_names: int | Below | None = threshold()
    """Names of a caption without a hypernym, at most (ours)."""
    complete: bool = threshold(False)
    """Reject captions that without names have no noun, or end in an article, a preposition or a conjunction (ours)."""
    min_hypernym_captions: int | Above | None = threshold(measured=True)
    """Captions, of those that the other rules keep, that have the caption's rarest hypernym, at least (CC3M §3.1.4:
    more than 100)."""

    def __post_init__(self) -> None:
        if self.person is not None and self.wordnet is not None:
            remedy = "leave out one of them"
            raise ConfigError("filters.conceptual has person and wordnet, which both replace names", remedy=remedy)


def measure_tagged(tagged: TaggedText, bad_words: Collection[str] | None = None) -> Scores:
    """Return the scores of a caption; shares are left out for one without words.

    `bad_words`: explicit words in lower case.
    """
    words = [word for word in tagged.words if not word.is_mark]
    scores: Scores = {
        "determiners": _count(words, DETERMINERS),
        "nouns": _count(words, NOUNS),
        "prepositions": _count(words, PREPOSITIONS),
        "persons": float(sum(run[0].entity == PERSON for run in tagged.entities())),
        "polarity": measure_polarity(tagged.text),
    }
    if words:
        lower = [word.text.lower() for word in words]
        scores |= {
            "noun_share": scores["nouns"] / len(words),
            "repeated_words": (len(words) - len(set(lower))) / len(words),
            "capital_start": float(not words[0].text[0].islower()),
            "capital_words": sum(word.text[0].isupper() for word in words) / len(words),
        }
        if bad_words is not None:
            scores["bad_words"] = float(sum(word in bad_words for word in lower))
    content = [word.text.lower() for word in words if word.is_content]
    if content:
        scores["unique_words"] = len(set(content)) / len(content)
    return scores


def _count(words: list[Word], tags: frozenset[str]) -> float:
    return float(sum(word.tag in tags for word in words))


def rules(config: ConceptualConfig) -> tuple[Rule, ...]:
    """Return the rules, in the order of the paper."""
    return (
        at_most("boilerplate_caption", "boilerplate_caption", 0 if config.boilerplate else None),
        at_least("repeated_content_words", "unique_words", config.min_unique_words),
        at_least("no_determiner", "determiners", config.min_determiners),
        at_least("no_noun", "nouns", config.min_nouns),
        at_least("no_preposition", "prepositions", config.min_prepositions),
        at_most("too_many_nouns", "noun_share", config.max_noun_share),
        at_most("repeated_words", "repeated_words", config.max_repeated_words),
        at_least("small_first_letter", "capital_start", 1 if config.capital_start else None),
        at_most("too_many_capital_words", "capital_words", config.max_capital_words),
        at_least("negative_caption", "polarity", config.min_polarity),
        at_most("positive_caption", "polarity", config.max_polarity),
        at_most("bad_words", "bad_words", config.max_bad_words),
        at_most("name_without_hypernym", "unresolved_names", config.max_unresolved_names),
        at_least("short_rewritten_caption", "rewritten_words", config.min_rewritten_words),
        at_most("incomplete_caption", "incomplete_caption", 0 if config.complete else None),
    )


def frequency_rules(config: ConceptualConfig) -> tuple[Rule, ...]:
    """Return the rule on the counts of hypernyms, which are counted over the pairs kept so far."""
    return (at_least("rare_hypernym", "entry_count", config.min_hypernym_captions),)
