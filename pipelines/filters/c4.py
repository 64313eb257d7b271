"""C4's rules for lines and pages (arXiv 1910.10683, §2.2), with those that only its code has."""

import re
from dataclasses import dataclass, field

from corpusloom.pipelines.filters.text.text_filter import Text
from corpusloom.pipelines.filters.text.words import count_sentences
from corpusloom.schemas.config import threshold
from corpusloom.schemas.verdicts import Above, Below, Rule, Scores, at_least, at_most

_CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
_POLICY = re.compile(r"terms of use|privacy policy|cookie policy|uses cookies|use of cookies|use cookies")
_TERMINALS = (".", "?", "!", '"')
VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class C4Config:
    """C4's rules for lines and pages. Paper: §2.2; code: TFDS text/c4_utils.py.

    Rules for lines are settings, not thresholds: they change the text that page rules measure, even if those are off.
    """

    terminal_punctuation: bool = True
    """Keep only lines that end in . ! ? or a quotation mark, and not in `...` (paper §2.2; the dots: code)."""
    min_line_words: int = 5
    """Words per line, at least (paper §2.2: 5; datatrove swaps it with the 3 sentences per page)."""
    max_word_length: int = 1_000
    """Characters of the longest word of a line, at most (code)."""
    javascript: bool = True
    """Drop lines that name Javascript (paper §2.2)."""
    policy: bool = True
    """Drop lines about cookies, terms of use or privacy (paper §2.2; the phrases: code)."""
    citations: bool = True
    """Strip citation marks such as [1] and [edit] from lines (paper §2.2)."""
    min_sentences: int | Above | None = threshold()
    """Sentences of the kept lines, at least (paper §2.2: 3; datatrove swaps it with the 5 words per line)."""
    max_lorem_ipsum: int | Below | None = threshold()
    """Lines with "lorem ipsum", at most (paper §2.2; code: counted over lines that end like sentences)."""
    max_curly_brackets: int | Below | None = threshold()
    """Lines with {, at most (paper §2.2; code: counted over lines that end like sentences)."""
    max_bad_words: int | Below | None = threshold()
    """Words of the page that are in `filters.lists.bad_words`, at most (paper §2.2: LDNOOBW); needs that list."""


@dataclass(frozen=True, slots=True)
class CleanedText:
    """A text after C4's line rules, with the number of lines kept, and of lines dropped by reason.

    `lorem_ipsum` and `curly_brackets` count lines for which C4's code drops the page. It checks them after the rules
    on punctuation and length, so lines of menus and of code do not count.
    """

    text: str
    kept: int
    lorem_ipsum: int = 0
    curly_brackets: int = 0
    dropped: dict[str, int] = field(default_factory=dict)


def judge_line(line: str, config: C4Config) -> str | None:
    """Return the reason why C4 drops a line, or None. `line` is stripped and has no citation marks."""
    words = line.split()
    lower = line.lower()
    longest = config.max_word_length
    if len(line) > longest and max(map(len, words)) > longest:
        return "long_word"
    if config.terminal_punctuation and (not line.endswith(_TERMINALS) or line.endswith("...")):
        return "no_terminal_punctuation"
    if len(words) < config.min_line_words:
        return "short_line"
    if config.javascript and "javascript" in lower:
        return "javascript"
    if config.policy and _POLICY.search(lower):
        return "policy"
    return None


def clean_lines(text: str, config: C4Config) -> CleanedText:
    """Return a text without the lines that C4 drops and without citation marks."""
    kept: list[str] = []
    dropped: dict[str, int] = {}
    lorem_ipsum = curly_brackets = 0
    for line in text.splitlines():
        line = line.strip()
        if config.citations and "[" in line:
            line = _CITATION.sub("", line)
        if not line:
            continue
        reason = judge_line(line, config)
        if reason in (None, "javascript", "policy"):
            lorem_ipsum += "lorem ipsum" in line.lower()
            curly_brackets += "{" in line and reason != "javascript"
        if reason is None:
            kept.append(line)
        else:
            dropped[reason] = dropped.get(reason, 0) + 1
    return CleanedText("\n".join(kept), len(kept), lorem_ipsum, curly_brackets, dropped)


def measure(page: Text, config: C4Config | None = None) -> Scores:
    """Measure a page for C4's rules: kept lines, their sentences, lines with "lorem ipsum" or {, and bad words.

    `c4_bad_words` needs a word list (LDNOOBW in the paper).
    """
    cleaned = clean_lines(page.text, config or C4Config())
    lines = cleaned.kept + sum(cleaned.dropped.values())
    scores: Scores = {
        "c4_lorem_ipsum": float(cleaned.lorem_ipsum),
        "c4_curly_brackets": float(cleaned.curly_brackets),
        "c4_sentences": float(sum(map(count_sentences, cleaned.text.split("\n"))) if cleaned.text else 0),
        "c4_kept_lines": cleaned.kept / lines if lines else 0.0,
    }
    listed = page.lists.bad_words
    if listed is not None:
        scores["c4_bad_words"] = float(sum(word in listed for word in re.findall(r"\w+", page.text.lower())))
    return scores


def rules(config: C4Config) -> tuple[Rule, ...]:
    """Return the rules for pages."""
    return (
        at_most("lorem_ipsum", "c4_lorem_ipsum", config.max_lorem_ipsum),
        at_most("curly_brackets", "c4_curly_brackets", config.max_curly_brackets),
        at_most("bad_words", "c4_bad_words", config.max_bad_words),
        at_least("too_few_sentences", "c4_sentences", config.min_sentences),
    )
