"""Text rules of ALIGN (arXiv 2102.05918, section 3): length of an alt text, and how widely it and its image are shared."""

from dataclasses import dataclass

from pipelines.filters.words import words
from schemas.verdicts import Rule, Scores, Verdict, decide


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionsConfig:
    """Thresholds of section 3; None turns a rule off."""

    min_unigrams: float | None = 3
    max_unigrams: float | None = 20
    max_images_per_text: float | None = 10
    """Texts that more images share are thrown out: resolutions, placeholders."""
    max_texts_per_image: float | None = 1_000
    """Images with more distinct alt texts are thrown out."""


def measure_caption(text: str) -> Scores:
    """Return the measures that need the text alone."""
    return {"unigrams": float(len(words(text)))}


def rules(config: CaptionsConfig) -> tuple[Rule, ...]:
    """Return the rules; the two counts over the corpus come as scores of the select stage."""
    bounds = (
        ("too_few_unigrams", "unigrams", config.min_unigrams, None),
        ("too_many_unigrams", "unigrams", None, config.max_unigrams),
        ("text_shared_by_images", "images_per_text", None, config.max_images_per_text),
        ("image_with_many_texts", "texts_per_image", None, config.max_texts_per_image),
    )
    return tuple(
        Rule(reason=reason, score=score, minimum=low, maximum=high)
        for reason, score, low, high in bounds
        if low is not None or high is not None
    )


def caption(text: str, config: CaptionsConfig) -> Verdict:
    """Return the verdict of the rules that need the text alone."""
    return decide(measure_caption(text), rules(config))
