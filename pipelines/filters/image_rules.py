"""What an image is and where it came from: words of its URL, sizes, aspect, format, colour, model scores."""

from collections.abc import Mapping
from dataclasses import dataclass

from corpusloom.schemas.records import ImageFacts, ImageRecord, ImageRef
from corpusloom.schemas.verdicts import Rule, Scores

FORMATS = ("jpg", "png", "webp", "gif", "avif", "bmp", "tiff", "ico", "svg", "heic", "other")
URL_WORDS = ("logo", "button", "icon", "plugin", "widget")
UNSAFE_WORDS = ("porn", "sex", "xxx")
KNOWN_WORDS = (*URL_WORDS, *UNSAFE_WORDS, "avatar", "banner", "spacer", "pixel", "tracking", "sprite", "badge")
_ALIASES = {"jpeg": "jpg", "jfif": "jpg", "tif": "tiff", "x-icon": "ico", "svg+xml": "svg"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageConfig:
    """Thresholds for one image of a page or pair; None turns one off, () a list."""

    min_side: int | None = 64
    """Pixels of the shorter side at least (M3W: Flamingo A.3.1)."""
    max_side: int | None = None
    """Pixels of the longer side at most (OBELICS App. A.1)."""
    max_aspect: float | None = 3.0
    """Longer / shorter side at most (M3W: Flamingo A.3.1)."""
    strict: bool = False
    """Whether a value equal to a bound of size or aspect fails too, as in ALIGN's "> 200 px" and "< 3" (§3)."""
    min_declared_side: int | None = None
    """CSS pixels of each side that the tag gives, at least (OBELICS App. A.1); no size given passes."""
    max_declared_side: int | None = None
    """CSS pixels of each side that the tag gives, at most (OBELICS App. A.1)."""
    formats: tuple[str, ...] = ("jpg", "png", "webp", "gif", "avif")
    """Formats that stay."""
    url_words: tuple[str, ...] = ()
    """Words that an image's URL must not contain, anywhere (MMC4 §3, OBELICS App. A.1)."""
    min_colour_range: float | None = 8.0
    """Largest difference of any channel at least: below it an image has one colour (M3W: Flamingo A.3.1; 8 is ours)."""
    max_url_count: int | None = None
    """Occurrences of the URL in the corpus at most (OBELICS App. A.1)."""
    max_nsfw: float | None = None
    """Score of the NSFW model at most; without a model not measured."""
    nsfw_model: str | None = None
    """Name of the scorer that `max_nsfw` bounds: open_nsfw (extra `safety`), or one that another package offers."""


def measure_url(url: str) -> Scores:
    """Return `url_word_WORD` = 1 for each known word that a URL contains; words that are not there are left out."""
    lower = url.lower()
    return {f"url_word_{word}": 1.0 for word in KNOWN_WORDS if word in lower}


def _measure_sides(width: int, height: int, prefix: str) -> Scores:
    return {f"{prefix}_min_side": float(min(width, height)), f"{prefix}_max_side": float(max(width, height))}


def measure_ref(ref: ImageRef, url_count: int | None = None) -> Scores:
    """Measure what a page says of an image before it is fetched: URL words, declared sides, frequency of the URL."""
    scores = measure_url(ref.url)
    sides = [side for side in (ref.declared_width, ref.declared_height) if side is not None]
    if sides:
        scores |= {"declared_min_side": float(min(sides)), "declared_max_side": float(max(sides))}
    if url_count is not None:
        scores["url_count"] = float(url_count)
    return scores


def _measure_size(width: int | None, height: int | None, image_format: str | None) -> Scores:
    scores: Scores = {}
    if width and height:
        scores |= _measure_sides(width, height, "image")
        scores["image_aspect"] = max(width, height) / min(width, height)
    if image_format:
        name = _ALIASES.get(image_format.lower(), image_format.lower())
        scores[f"format_{name if name in FORMATS else 'other'}"] = 1.0
    return scores


def measure_image(
    ref: ImageRef | None,
    record: ImageRecord | None = None,
    facts: ImageFacts | None = None,
    *,
    url_count: int | None = None,
) -> Scores:
    """Measure one image occurrence with all that is known of it; what is not known is left out.

    Sizes are those of `facts` (as displayed), else of `record` (as the header says).
    """
    scores: Scores = {} if ref is None else measure_ref(ref, url_count)
    if facts is not None:
        scores |= _measure_size(facts.width, facts.height, facts.format)
        if facts.error is None:
            scores |= {"colour_range": facts.colour_range, "gray_std": facts.gray_std}
        scores["image_opt_out"] = float(facts.opt_out is not None)
        scores |= {f"model_{name}": value for name, value in facts.model_scores.items()}
    elif record is not None:
        scores |= _measure_size(record.width, record.height, record.format)
    return scores


def url_rules(config: ImageConfig) -> tuple[Rule, ...]:
    """Return the rules that need no fetch: URL words, declared size, frequency."""
    words = tuple(Rule(reason=f"url_word_{word}", score=f"url_word_{word}", maximum=0) for word in config.url_words)
    return (
        *words,
        Rule(reason="declared_too_small", score="declared_min_side", minimum=config.min_declared_side),
        Rule(reason="declared_too_large", score="declared_max_side", maximum=config.max_declared_side),
        Rule(reason="url_too_frequent", score="url_count", maximum=config.max_url_count),
    )


def fact_rules(config: ImageConfig) -> tuple[Rule, ...]:
    """Return the rules on the image itself: format, size, aspect, colour, NSFW."""
    formats = tuple(
        Rule(reason="image_format", score=f"format_{name}", maximum=0) for name in FORMATS if name not in config.formats
    )
    return (
        *formats,
        Rule(reason="image_too_small", score="image_min_side", minimum=config.min_side, strict=config.strict),
        Rule(reason="image_too_large", score="image_max_side", maximum=config.max_side, strict=config.strict),
        Rule(reason="image_aspect", score="image_aspect", maximum=config.max_aspect, strict=config.strict),
        Rule(reason="single_colour", score="colour_range", minimum=config.min_colour_range),
        Rule(reason="nsfw", score="model_nsfw", maximum=config.max_nsfw),
    )


def rules(config: ImageConfig) -> tuple[Rule, ...]:
    """Return all rules for one image occurrence: the cheap ones first."""
    return (*url_rules(config), *fact_rules(config))


def duplicate_occurrences(identities: Mapping[int, str] | list[str]) -> tuple[int, ...]:
    """Return the positions in a page of images that an earlier one equals (by sha256 or URL), in order."""
    items = identities.items() if isinstance(identities, Mapping) else enumerate(identities)
    seen: set[str] = set()
    repeats = []
    for position, identity in items:
        if identity in seen:
            repeats.append(position)
        seen.add(identity)
    return tuple(repeats)
