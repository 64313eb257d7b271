"""Format version of recipe files: the check, and the error that says how to convert a file of format 1."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from corpusloom.schemas.errors import ConfigError

FORMAT = 2
"""In format 2 a threshold that is left out is off; in format 1 it had a default value."""

_TEXT_RULES = {
    "min_words": 10,
    "max_words": 2_000,
    "max_character_repetition": 0.1,
    "max_word_repetition": 0.2,
    "max_special_characters": 0.275,
    "min_stop_words": 0.35,
    "max_flagged_words": 0.01,
    "min_punctuation": 0.03,
    "max_spam_words": 0.12,
    "min_common_words": 0.9,
}
_PARAGRAPH_RULES = {
    "min_words": 4,
    "max_words": 1_000,
    "max_word_repetition": 0.1,
    "max_special_characters": 0.3,
    "min_stop_words": 0.3,
    "min_punctuation": 0.001,
    "min_common_words": 0.8,
}
FORMER_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "filters.language": {"languages": ["en"], "min_score": 0.65},
    "filters.explicit": {"max_share": 0.01},
    "filters.boilerplate": {"max_notice_words": 60, "max_label_words": 12, "min_share_words": 0.8},
    "filters.quality": {
        "min_words": 50,
        "max_words": 100_000,
        "min_mean_word_length": 3.0,
        "max_mean_word_length": 10.0,
        "max_hash_ratio": 0.1,
        "max_ellipsis_ratio": 0.1,
        "max_bullet_lines": 0.9,
        "max_ellipsis_lines": 0.3,
        "min_alphabetic_words": 0.8,
        "min_stop_words": 2,
    },
    "filters.repetition": {
        "max_duplicate_lines": 0.30,
        "max_duplicate_paragraphs": 0.30,
        "max_duplicate_line_characters": 0.20,
        "max_duplicate_paragraph_characters": 0.20,
        "max_top_2_gram": 0.20,
        "max_top_3_gram": 0.18,
        "max_top_4_gram": 0.16,
        "max_duplicate_5_gram": 0.15,
        "max_duplicate_6_gram": 0.14,
        "max_duplicate_7_gram": 0.13,
        "max_duplicate_8_gram": 0.12,
        "max_duplicate_9_gram": 0.11,
        "max_duplicate_10_gram": 0.10,
    },
    "filters.c4": {"min_sentences": 3, "max_lorem_ipsum": 0, "max_curly_brackets": 0, "max_bad_words": 0},
    "filters.fineweb": {
        "min_line_punctuation": 0.12,
        "max_short_lines": 0.67,
        "max_duplicate_characters": 0.01,
        "max_new_lines_per_word": 0.3,
    },
    "filters.obelics.page": _TEXT_RULES,
    "filters.obelics.paragraph": {**_TEXT_RULES, **_PARAGRAPH_RULES},
    "filters.pii": {"email": "email@example.com", "ip_address": "0.0.0.0"},  # noqa: S104
    "filters.captions": {"min_words": 3, "max_words": 20, "max_text_images": 10, "max_image_texts": 1_000},
    "filters.images": {
        "min_side": 64,
        "max_aspect": 3.0,
        "formats": ["jpg", "png", "webp", "gif", "avif"],
        "min_colour_range": 8.0,
    },
    "images": {"min_per_page": 1, "once_per_page": True},
    "dedup": {"exact_url": True, "exact_text": "strict"},
}
"""Default values of thresholds in format 1: table -> key -> value."""
ALWAYS = ("filters.images", "images", "dedup")
"""Tables whose thresholds were in force in format 1 even if a file left the whole table out."""
GONE = {
    "filters.images.strict": "write min_side = {above = 200} and max_aspect = {below = 3.0}",
    "filters.captions.min_token_count": "it did nothing",
    "filters.obelics.page.max_perplexity": "it did nothing",
    "filters.obelics.paragraph.max_perplexity": "it did nothing",
    "dedup.minhash.min_jaccard": "it did nothing",
}
"""Keys that format 2 removed: key -> what to do."""


def check_format(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the tables of a recipe file without its `format`; any format but `FORMAT` is a ConfigError."""
    left = {name: value for name, value in values.items() if name != "format"}
    found = values.get("format")
    if found == FORMAT:
        return left
    if found not in (None, 1):
        raise ConfigError(f"format is {found!r}", where=where, remedy=f"this corpusloom reads format = {FORMAT}")
    near = difflib.get_close_matches("format", [name for name in values if not isinstance(values[name], Mapping)], 1)
    if near and found is None:
        raise ConfigError(f"no format; {near[0]} is close", where=where, remedy=f"write format = {FORMAT}")
    if found is None:
        unset = len(list(_unset(left)))
        off = f"; a threshold that is left out is off, and {unset} are (format = 1 lists them)" if unset else ""
        raise ConfigError(f"has no line format = {FORMAT}", where=where, remedy=f"add it at the top{off}")
    raise ConfigError(_changes(left), where=where, remedy=f"add those that you want, then write format = {FORMAT}")


def _changes(values: Mapping[str, Any]) -> str:
    """Return the changes between formats 1 and 2 that concern a file, as the text of an error."""
    unset = [f"{path} = {value!r}" for path, value in _unset(values)]
    gone = [f"{path} ({advice})" for path, advice in GONE.items() if _value(values, path) is not None]
    parts = [f"in format {FORMAT} a threshold that is left out is off"]
    parts += [f"left out here, and no longer in force: {', '.join(unset)}"] if unset else []
    parts += [f"gone: {', '.join(gone)}"] if gone else []
    return "; ".join(("a recipe of format 1", *parts))


def _unset(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield (key, default in format 1) of the thresholds that were in force for a file although it leaves them out."""
    for table, former in FORMER_DEFAULTS.items():
        parent = "filters.obelics" if table.startswith("filters.obelics.") else table
        if table not in ALWAYS and _value(values, parent) is None:
            continue
        given = _value(values, table) or {}
        yield from ((f"{table}.{name}", value) for name, value in former.items() if name not in given)


def _value(values: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path, or None."""
    found: Any = values
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
