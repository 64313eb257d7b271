"""Image filter: measures URL words, size, aspect, format, colour and model scores of an image, and bounds them."""

from dataclasses import dataclass

from corpusloom.schemas.config import threshold
from corpusloom.schemas.records import ImageFacts, ImageRecord, ImageRef
from corpusloom.schemas.verdicts import Above, Below, Rule, Scores, at_least, at_most

FORMATS = ("jpg", "png", "webp", "gif", "avif", "bmp", "tiff", "ico", "svg", "heic", "other")
URL_WORDS = ("logo", "button", "icon", "plugin", "widget")
UNSAFE_WORDS = ("porn", "sex", "xxx")
KNOWN_WORDS = (*URL_WORDS, *UNSAFE_WORDS, "avatar", "banner", "spacer", "pixel", "tracking", "sprite", "badge")
VERSION = 1
_ALIASES = {"jpeg": "jpg", "jfif": "jpg", "tif": "tiff", "x-icon": "ico", "svg+xml": "svg"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageConfig:
    """Thresholds for one image of a page or pair."""

    min_side: int | Above | None = threshold()
    """Pixels of the shorter side, at least (M3W: Flamingo A.3.1)."""
    max_side: int | Below | None = threshold()
    """Pixels of the longer side, at most (OBELICS App. A.1)."""
    max_aspect: float | Below | None = threshold()
    """Longer side / shorter side, at most (M3W: Flamingo A.3.1)."""
    min_declared_side: int | Above | None = threshold()
    """CSS pixels of each side that the tag declares, at least (OBELICS App. A.1); a tag without a size passes."""
    max_declared_side: int | Below | None = threshold()
    """CSS pixels of each side that the tag declares, at most (OBELICS App. A.1)."""
    formats: tuple[str, ...] = threshold(())
    """Formats that are kept; () keeps all formats."""
    url_words: tuple[str, ...] = threshold(())
    """Words that must not occur anywhere in an image's URL (MMC4 §3, OBELICS App. A.1)."""
    min_colour_range: float | Above | None = threshold()
    """Widest range of a colour channel, at least; rejects single-coloured images (M3W: Flamingo A.3.1; 8 is ours)."""
    max_url_count: int | None = threshold()
    """Occurrences of the URL in the corpus, at most (OBELICS App. A.1)."""
    max_nsfw: float | Below | None = threshold()
    """Score of the NSFW model, at most; not measured without a model."""
    nsfw_model: str | None = None
    """Name of the model whose score `max_nsfw` bounds: open_nsfw (extra `safety`), or one of another package."""


def measure_url(url: str) -> Scores:
    """Return `url_word_WORD` = 1 for each known word that a URL contains; words that it lacks have no score."""
    lower = url.lower()
    return {f"url_word_{word}": 1.0 for word in KNOWN_WORDS if word in lower}


def _measure_sides(width: int, height: int, prefix: str) -> Scores:
    return {f"{prefix}_min_side": float(min(width, height)), f"{prefix}_max_side": float(max(width, height))}


def measure_ref(ref: ImageRef) -> Scores:
    """Measure an image before it is fetched, from its page: words of the URL, declared sides."""
    scores = measure_url(ref.url)
    sides = [side for side in (ref.declared_width, ref.declared_height) if side is not None]
    if sides:
        scores |= {"declared_min_side": float(min(sides)), "declared_max_side": float(max(sides))}
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
) -> Scores:
    """Measure one image occurrence; a score whose input is None is left out.

    Sizes come from `facts` (as displayed), else from `record` (from the image's header).
    """
    scores: Scores = {} if ref is None else measure_ref(ref)
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
    """Return the rules that need no fetch: words of the URL, declared size."""
    words = tuple(Rule(reason=f"url_word_{word}", score=f"url_word_{word}", maximum=0) for word in config.url_words)
    return (
        *words,
        at_least("declared_too_small", "declared_min_side", config.min_declared_side),
        at_most("declared_too_large", "declared_max_side", config.max_declared_side),
    )


def fact_rules(config: ImageConfig) -> tuple[Rule, ...]:
    """Return the rules that need the fetched image: format, size, aspect, colour, NSFW."""
    unwanted = [name for name in FORMATS if config.formats and name not in config.formats]
    formats = tuple(Rule(reason="image_format", score=f"format_{name}", maximum=0) for name in unwanted)
    return (
        *formats,
        at_least("image_too_small", "image_min_side", config.min_side),
        at_most("image_too_large", "image_max_side", config.max_side),
        at_most("image_aspect", "image_aspect", config.max_aspect),
        at_least("single_colour", "colour_range", config.min_colour_range),
        at_most("nsfw", "model_nsfw", config.max_nsfw),
    )


def rules(config: ImageConfig) -> tuple[Rule, ...]:
    """Return all rules for one image occurrence: the cheap ones first."""
    return (*url_rules(config), *fact_rules(config))
