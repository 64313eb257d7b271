"""ALIGN's rules for alt texts (arXiv 2102.05918, §3): length, texts that many images share."""

from dataclasses import dataclass

from corpusloom.schemas.config import threshold
from corpusloom.schemas.verdicts import Above, Below, Rule, Scores, at_least, at_most

VERSION = 1


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


def unigrams(text: str) -> list[str]:
    """Split an alt text at white space and lower-case it; the counts over all pairs use the same unigrams."""
    return text.lower().split()


def measure_caption(
    text: str,
    *,
    text_images: int | None = None,
    image_texts: int | None = None,
) -> Scores:
    """Measure one alt text; a count that is None has no score, so its rule passes.

    `text_images`: different images with this text. `image_texts`: different texts of this image. The stage counts
    both over all pairs, before any filter.
    """
    scores: Scores = {"caption_words": float(len(unigrams(text))), "caption_characters": float(len(text))}
    if text_images is not None:
        scores["text_images"] = float(text_images)
    if image_texts is not None:
        scores["image_texts"] = float(image_texts)
    return scores


def rules(config: CaptionConfig) -> tuple[Rule, ...]:
    """Return the rules: those on the text alone, then those on counts over all pairs."""
    return (
        at_least("too_few_caption_words", "caption_words", config.min_words),
        at_most("too_many_caption_words", "caption_words", config.max_words),
        at_most("text_of_many_images", "text_images", config.max_text_images),
        at_most("image_of_many_texts", "image_texts", config.max_image_texts),
    )
