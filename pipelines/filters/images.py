"""Image rules: size, aspect and single colour of M3W, ALIGN, OBELICS and MMC4, from stored facts alone."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from schemas.records import ImageFacts, ImageRef
from schemas.verdicts import Rule, Scores

_FORMATS = ("jpeg", "png", "webp", "gif", "avif")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRulesConfig:
    """What an image must be; None turns a rule off."""

    min_side: float | None = 64
    """Pixels of the shorter side."""
    min_side_strict: bool = False
    """ALIGN wants more than its value, the others at least theirs."""
    max_side: float | None = None
    max_aspect: float | None = 3.0
    """Longer side / shorter side."""
    max_aspect_strict: bool = False
    min_colour_range: float | None = 8
    """Largest difference of a channel over the image, 0..255: below it the image is of a single colour."""
    url_words: tuple[str, ...] = ()
    """Words that an image's URL must not contain (OBELICS: logo, button, icon, plugin, widget)."""


def measure_image_facts(ref: ImageRef, facts: ImageFacts, config: ImageRulesConfig) -> Scores:
    """Return the measures of one image as one page shows it; sides in pixels after orientation."""
    short, long = sorted((facts.width, facts.height))
    return {
        "side": float(short),
        "long_side": float(long),
        "aspect": long / max(short, 1),
        "colour_range": facts.colour_range,
        "url_words": float(count_url_words(ref.url, config.url_words)),
    }


def count_url_words(url: str, listed: tuple[str, ...]) -> int:
    """Return how many of the listed words the path of a URL contains."""
    path = urlsplit(url).path.lower()
    return sum(bool(re.search(re.escape(word), path)) for word in listed)


def rules(config: ImageRulesConfig) -> tuple[Rule, ...]:
    """Return the rules in order of their cost."""
    found = []
    if config.url_words:
        found.append(Rule(reason="url_word", score="url_words", maximum=0))
    if config.min_side is not None:
        strict = config.min_side_strict
        found.append(Rule(reason="too_small", score="side", minimum=config.min_side, strict=strict))
    if config.max_side is not None:
        found.append(Rule(reason="too_large", score="long_side", maximum=config.max_side))
    if config.max_aspect is not None:
        strict = config.max_aspect_strict
        found.append(Rule(reason="aspect", score="aspect", maximum=config.max_aspect, strict=strict))
    if config.min_colour_range is not None:
        found.append(Rule(reason="single_colour", score="colour_range", minimum=config.min_colour_range))
    return tuple(found)
