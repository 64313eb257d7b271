"""ALIGN's rules for alt texts (arXiv 2102.05918, §3): length, texts that many images share, rare tokens."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from corpusloom.schemas.verdicts import Rule, Scores, Verdict, decide


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionConfig:
    """Thresholds of ALIGN's text rules; None turns one off."""

    min_words: int | None = 3
    """Unigrams at least (§3)."""
    max_words: int | None = 20
    """Unigrams at most (§3)."""
    max_text_images: int | None = 10
    """Different images that share the text, over the raw set (§3)."""
    max_image_texts: int | None = 1_000
    """Different alt texts of the image, over the raw set (§3)."""
    min_token_count: int | None = 1
    """Occurrences of the rarest unigram or bigram over the raw set; 1 is off (§3: the 100 M most frequent)."""


def unigrams(text: str) -> list[str]:
    """Return the unigrams of an alt text: lower-cased runs between white space, as counted over the raw set."""
    return text.lower().split()


def bigrams(words: Sequence[str]) -> list[str]:
    """Return the neighbouring words of a text, joined by a blank."""
    return [f"{first} {second}" for first, second in itertools.pairwise(words)]


def caption_tokens(text: str) -> list[str]:
    """Return what the rare-token rule counts of a text: its unigrams and bigrams, each once, sorted."""
    words = unigrams(text)
    return sorted({*words, *bigrams(words)})


def rarest_token_count(text: str, counts: Mapping[str, int]) -> int:
    """Return the count over the raw set of a text's rarest unigram or bigram; 0 for one never seen or no text."""
    return min((counts.get(token, 0) for token in caption_tokens(text)), default=0)


def measure_caption(
    text: str,
    *,
    text_images: int | None = None,
    image_texts: int | None = None,
    token_counts: Mapping[str, int] | None = None,
) -> Scores:
    """Measure one alt text. Counts over the raw set come from the stage; one that is None is not reached.

    `text_images`: different images with this text. `image_texts`: different texts of this image.
    `token_counts`: how many texts of the raw set hold each unigram and bigram.
    """
    scores: Scores = {"caption_words": float(len(unigrams(text))), "caption_characters": float(len(text))}
    if text_images is not None:
        scores["text_images"] = float(text_images)
    if image_texts is not None:
        scores["image_texts"] = float(image_texts)
    if token_counts is not None:
        scores["rarest_token_count"] = float(rarest_token_count(text, token_counts))
    return scores


def rules(config: CaptionConfig) -> tuple[Rule, ...]:
    """Return the rules: what one text shows first, then what the raw set shows."""
    return (
        Rule(reason="too_few_caption_words", score="caption_words", minimum=config.min_words),
        Rule(reason="too_many_caption_words", score="caption_words", maximum=config.max_words),
        Rule(reason="text_of_many_images", score="text_images", maximum=config.max_text_images),
        Rule(reason="image_of_many_texts", score="image_texts", maximum=config.max_image_texts),
        Rule(reason="rare_token", score="rarest_token_count", minimum=config.min_token_count),
    )


def caption(text: str, config: CaptionConfig | None = None) -> Verdict:
    """Judge one alt text by what it shows alone."""
    return decide(measure_caption(text), rules(config or CaptionConfig()))
