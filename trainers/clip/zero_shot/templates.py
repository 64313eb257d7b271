"""Templates of texts about a class, such as `a photo of {c}`.

Several templates make a prompt ensemble (arXiv 2103.00020, section 3.1.4).
"""

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.clip.zero_shot.text_files import numbered_lines

PLACEHOLDER = "{c}"
"""Placeholder of the class name in a template, as in CLIP_benchmark; other braces are text."""
PLAIN = ("a photo of {c}",)
"""Templates of a benchmark that has none of its own."""
PHOTO = (
    "a photo of {c}",
    "a close photo of {c}",
    "a photo of {c} from far away",
    "a dark photo of {c}",
    "a bright, sharp photo of {c}",
    "a blurred photo of {c}",
    "a picture of a small {c}",
    "a drawing of {c}",
)
"""A general ensemble, of distance, light, sharpness, size and kind of picture."""
BUNDLED = {"none": (PLACEHOLDER,), "photo": PHOTO}
"""Name -> templates that need no file; `none` is the class name alone."""


def load_templates(name: str) -> tuple[str, ...]:
    """Return the templates of a bundled name, or of a file with one template per line.

    Raises ConfigError for a file without a template, and for a template without `{c}`.
    """
    if name in BUNDLED:
        return BUNDLED[name]
    try:
        lines = numbered_lines(name)
    except InputError as error:
        remedy = f"--templates takes {', '.join(BUNDLED)}, or a file with one template per line"
        raise InputError(error.what, where=name, remedy=remedy) from error
    for number, text in lines:
        check_template(text, f"{name}, line {number}")
    if not lines:
        raise ConfigError("no template", where=name, remedy=f"write one per line, such as: a photo of {PLACEHOLDER}")
    return tuple(text for _, text in lines)


def check_template(text: str, where: str = "") -> None:
    """Raise ConfigError if a template has no place for the class."""
    if PLACEHOLDER not in text:
        remedy = f"put {PLACEHOLDER} where the class goes"
        raise ConfigError(f"template {text!r} names no class", where=where, remedy=remedy)
