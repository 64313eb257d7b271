"""ALIGN's rules for alt texts (arXiv 2102.05918, §3): length, texts that many images share, rare tokens."""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from corpusloom.schemas.config import threshold
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.identity import make_key
from corpusloom.schemas.verdicts import Above, Below, Rule, Scores, at_least, at_most

VERSION = 2
NGRAMS, WORDS = "ngrams", "words"
_WORD = re.compile(r"\w+(?:['’&.-]\w+)*")


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionConfig:
    """Thresholds of ALIGN's text rules."""

    min_words: int | Above | None = threshold()
    """Unigrams of the text, at least (§3)."""
    max_words: int | Below | None = threshold()
    """Unigrams of the text, at most (§3)."""
    max_text_images: int | Below | None = threshold()
    """Different images that share the text, at most, counted before any filter (§3)."""
    max_image_texts: int | Below | None = threshold()
    """Different alt texts of the image, at most, counted before any filter (§3)."""
    most_frequent_tokens: int | Below | None = threshold()
    """Unigrams and bigrams that occur at least as often as the rarest one of the text, at most, counted before any
    filter: the text has only the most frequent ones (§3: 100,000,000)."""
    min_token_occurrences: int | Above | None = threshold()
    """Occurrences of the text's rarest token, at least, counted before any filter (Conceptual Captions, section 3.1.2:
    5 in Wikipedia; CC12M: 20)."""
    max_unknown_tokens: int | Below | None = threshold()
    """Tokens of the text that the list `filters.lists.tokens` lacks, at most (§3: 0)."""
    token_unit: str = NGRAMS
    """Tokens that are counted: "ngrams" are unigrams and bigrams between white space (§3), "words" are words without
    the marks around them and without numbers (Conceptual Captions, section 3.1.2)."""
    fold_case: bool = False
    """Count texts that differ in case alone as one text; §3 does not say."""

    def __post_init__(self) -> None:
        if self.token_unit not in (NGRAMS, WORDS):
            what = f"filters.captions.token_unit is {self.token_unit!r}"
            raise ConfigError(what, remedy=f"write {NGRAMS} or {WORDS}")

    @property
    def counts_tokens(self) -> bool:
        """Whether a rule needs the counts of unigrams and bigrams."""
        return self.most_frequent_tokens is not None or self.min_token_occurrences is not None


def unigrams(text: str) -> list[str]:
    """Split an alt text at white space and lower-case it; the counts over all pairs use the same unigrams."""
    return text.lower().split()


def tokens(text: str, unit: str = NGRAMS) -> tuple[str, ...]:
    """Return the tokens of a text in lower case, repeats included: unigrams, then bigrams; or words with a letter."""
    if unit == WORDS:
        return tuple(word for word in _WORD.findall(text.lower()) if any(map(str.isalpha, word)))
    words = unigrams(text)
    return (*words, *map(" ".join, pairwise(words)))


def token_keys(text: str, unit: str = NGRAMS) -> tuple[str, ...]:
    """Return the keys of a text's tokens, by which they are counted over all pairs."""
    if unit == WORDS:
        return tuple(map(_word_key, tokens(text, WORDS)))
    words = unigrams(text)
    bigrams = [make_key("token", f"{first} {second}") for first, second in pairwise(words)]
    return (*map(_word_key, words), *bigrams)


@lru_cache(1 << 16)
def _word_key(word: str) -> str:
    """Return the key of a unigram; bigrams are too seldom the same for a cache of them."""
    return make_key("token", word)


def text_key(text: str, *, fold_case: bool) -> str:
    """Return the key by which texts are counted as equal."""
    return make_key("text", text.casefold() if fold_case else text)


def measure_caption(
    text: str,
    *,
    unit: str = NGRAMS,
    known: frozenset[str] | None = None,
    text_images: int | None = None,
    image_texts: int | None = None,
) -> Scores:
    """Measure one alt text; what is not given has no score, so its rule passes.

    `known`: tokens of a vocabulary, in lower case; `unit` says how the text is cut. `text_images`: different images
    with this text. `image_texts`: different texts of this image. The select stage counts both over all pairs, before
    any filter.
    """
    scores: Scores = {"caption_words": float(len(unigrams(text))), "caption_characters": float(len(text))}
    if known is not None:
        scores["unknown_tokens"] = float(sum(token not in known for token in tokens(text, unit)))
    if text_images is not None:
        scores["text_images"] = float(text_images)
    if image_texts is not None:
        scores["image_texts"] = float(image_texts)
    return scores


def rules(config: CaptionConfig) -> tuple[Rule, ...]:
    """Return the rules: those on the length of the text, on counts over all pairs, on a vocabulary."""
    return (
        at_least("too_few_caption_words", "caption_words", config.min_words),
        at_most("too_many_caption_words", "caption_words", config.max_words),
        at_most("text_of_many_images", "text_images", config.max_text_images),
        at_most("image_of_many_texts", "image_texts", config.max_image_texts),
        at_most("rare_token", "token_rank", config.most_frequent_tokens),
        at_least("rare_token", "token_count", config.min_token_occurrences),
        at_most("rare_token", "unknown_tokens", config.max_unknown_tokens),
    )
