"""C4's rules for lines and pages."""

import pytest

from corpusloom.pipelines.filters.c4 import C4Config, c4, clean_lines, judge_line, measure_c4
from corpusloom.schemas.verdicts import Kept, Rejected

LINE = "This line has more than five words."


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (LINE, None),
        ('She said that this is "fine."', None),
        ("A line of five words.", None),
        ("Only four words here.", "short_line"),
        ("This line has no end at all", "no_terminal_punctuation"),
        ("This line trails off somewhere...", "no_terminal_punctuation"),
        ("This line ends in a single quote'", "no_terminal_punctuation"),
        ("Please turn on JavaScript to see this.", "javascript"),
        ("We use cookies to make this site better.", "policy"),
        ("x" * 1001 + " and more words than five.", "long_word"),
    ],
)
def test_lines(line: str, reason: str | None) -> None:
    assert judge_line(line, C4Config()) == reason


def test_cleaning_strips_citations_and_counts_what_went() -> None:
    cleaned = clean_lines(f"{LINE[:-1]}[12][edit].\n\nMenu\nHome\n{LINE}", C4Config())
    assert cleaned.text == f"{LINE}\n{LINE}"
    assert (cleaned.kept, cleaned.dropped) == (2, {"no_terminal_punctuation": 2})


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("\n".join([LINE] * 3), Kept()),
        ("\n".join([LINE] * 2), Rejected("too_few_sentences", 2, 3)),
        ("\n".join([LINE] * 3 + ["Then write if (a) { and close it."]), Rejected("curly_brackets", 1, 0)),
        ("\n".join([LINE] * 3 + ["var a = {"]), Kept()),
        ("\n".join([LINE] * 3 + ["In JavaScript write if (a) { and close it."]), Kept()),
        ("\n".join([LINE] * 3 + ["Lorem ipsum dolor sit amet once."]), Rejected("lorem_ipsum", 1, 0)),
        ("\n".join([LINE] * 3 + ["Lorem ipsum dolor"]), Kept()),
        ("", Rejected("too_few_sentences", 0, 3)),
    ],
)
def test_pages(text: str, verdict: object) -> None:
    assert c4(text) == verdict


def test_bad_words_need_a_list() -> None:
    text = "\n".join([LINE] * 3)
    assert "c4_bad_words" not in measure_c4(text, C4Config())
    assert c4(text, bad_words={"line"}) == Rejected("bad_words", 3, 0)
    assert c4(text, bad_words={"lin"}) == Kept()
