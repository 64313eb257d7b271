"""Template captions: texts that a program, a camera or a page's design gave an image, and that name nothing in it.

"Image 1 of 5", "IMG_1234.JPG", "click to enlarge", "1200x800", a URL. ALIGN (arXiv 2102.05918, §3) and Conceptual
Captions (Sharma et al. 2018, §3) name such texts as examples; the list `templates.txt` is ours.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from corpusloom.schemas.config import threshold
from corpusloom.schemas.verdicts import Below, Rule, Scores, at_most

VERSION = 1
"""Raised also when `templates.txt` changes."""
_PART = re.compile(r"[|•·;,()\[\]{}<>/\\]|\s[-–—~*]+\s|[:.!?…]+(?=\s|$)|[。！？、：，｜・（）「」【】]")
"""Ends of the parts of a text, each of which can be a template."""
_NAME = re.compile(
    r"(?:https?://|www\.).+|[^@]+@[^@]+\.[^@.]+|.+\.(?:jpe?g|png|gif|webp|avif|bmp|tiff?|svg|heic|jfif|ico)",
    re.IGNORECASE,
)
"""A URL, a mail address, or the name of an image file."""
_IDENTIFIER = re.compile(r"(?=.*\d)[\da-fA-F-]{12,}")
"""A hexadecimal number of 12 digits or more, or a UUID."""
_AROUND = "()[]{}<>,;:!?\"'.…"
_PUNCTUATION = re.compile(r"[\W_]+")
_NUMBER = re.compile(r"\d+")
_NUMBERS = re.compile("#(?: #)+")


@dataclass(frozen=True, kw_only=True, slots=True)
class TemplatesConfig:
    """How much of a text may be template."""

    max_template_share: float | Below | None = threshold()
    """Share of words in templates ("click to enlarge"), names of files, URLs and sizes, at most (ours)."""


def normal_form(text: str) -> str:
    """Return a text in lower case, with a blank for punctuation and # for one or more numbers."""
    words = _NUMBER.sub(" # ", _PUNCTUATION.sub(" ", text.casefold())).split()
    return _NUMBERS.sub("#", " ".join(words))


@lru_cache(maxsize=1)
def phrases() -> tuple[frozenset[str], int]:
    """Return the templates of `templates.txt` in their normal form, and the words of the longest."""
    lines = resources.files("corpusloom.pipelines.filters.pairs").joinpath("templates.txt").read_text("utf-8")
    found = frozenset(normal_form(line) for line in lines.split("\n") if line and not line.startswith("# "))
    return found, max(len(phrase.split()) for phrase in found)


def measure_templates(text: str) -> Scores:
    """Measure the share of a text's words that are in templates; a text without words has no score.

    Words are separated by white space and have a letter or digit. Marks such as `|`, `,` and ` - ` separate the parts
    of a text, each of which can be a template.
    """
    tokens = text.split()
    left = ["|" if _is_name(token) else token for token in tokens]
    names = left.count("|") - tokens.count("|")
    parts = [(_count_words(part), part) for part in _PART.split(" ".join(left))]
    total = names + sum(count for count, _ in parts)
    known, longest = phrases()
    template = names + sum(count for count, part in parts if count <= longest and normal_form(part) in known)
    return {"template_share": round(template / total, 4)} if total else {}


def _count_words(part: str) -> int:
    return sum(token.isalnum() or any(map(str.isalnum, token)) for token in part.split())


def _is_name(token: str) -> bool:
    """Return whether a word is a URL, a mail address, the name of a file, or an identifier."""
    core = token.strip(_AROUND)
    if "." in core:
        return bool(_NAME.fullmatch(core))
    return len(core) >= 12 and bool(_IDENTIFIER.fullmatch(core))


def rules(config: TemplatesConfig) -> tuple[Rule, ...]:
    """Return the rule for pairs."""
    return (at_most("template_caption", "template_share", config.max_template_share),)
