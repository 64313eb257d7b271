"""C4's rules for lines and pages."""

import pytest

from corpusloom.pipelines.filters import c4
from corpusloom.pipelines.filters.c4 import C4Config, clean_lines, judge_line
from corpusloom.pipelines.filters.text.text_filter import Text, WordLists, judge
from corpusloom.schemas.verdicts import Kept, Rejected
from tests.pipelines.filters.published import C4

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
def test_each_line_has_its_reason(line: str, reason: str | None) -> None:
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
def test_each_page_has_its_verdict(text: str, verdict: object) -> None:
    assert judge(c4, text, C4) == verdict


def test_bad_words_need_a_list() -> None:
    text = "\n".join([LINE] * 3)
    assert "c4_bad_words" not in c4.measure(Text(text))
    assert judge(c4, text, C4, WordLists(bad_words=frozenset(("line",)))) == Rejected("bad_words", 3, 0)
    assert judge(c4, text, C4, WordLists(bad_words=frozenset(("lin",)))) == Kept()


def test_without_thresholds_no_page_goes_and_lines_are_still_judged() -> None:
    text = "Lorem ipsum has { as its only mark here."
    assert judge(c4, text, C4Config()) == Kept()
    assert c4.measure(Text(text)) == c4.measure(Text(text), C4Config())
    assert c4.measure(Text("Menu"), C4Config())["c4_kept_lines"] == 0.0
