"""FineWeb's own rules, at their thresholds."""

from dataclasses import replace

import pytest

from corpusloom.pipelines.filters import fineweb
from corpusloom.pipelines.filters.text.text_filter import Text, judge
from corpusloom.schemas.verdicts import Kept, Rejected
from tests.pipelines.filters.published import FINEWEB

LONG = "This is a line of more than thirty characters, number {}."
CASES = [
    ("good", "\n".join(LONG.format(n) for n in range(10)), None),
    ("12 of 100 lines end", "\n".join(LONG.format(n) + " and" * (n > 11) for n in range(100)), None),
    ("11 of 100 lines end", "\n".join(LONG.format(n) + " and" * (n > 10) for n in range(100)), "unpunctuated_lines"),
    ("67 lines short", "\n".join(f"Short {n}." if n < 67 else LONG.format(n) for n in range(100)), None),
    (
        "68 lines short",
        "\n".join(f"Short {n}." if n < 68 else LONG.format(n) for n in range(100)),
        "short_lines",
    ),
    ("a line again", "\n".join([*(LONG.format(n) for n in range(10)), LONG.format(1)]), "repeated_line_characters"),
    ("new lines", "\n\n\n\n\n".join(LONG.format(n) for n in range(10)), "too_many_new_lines"),
    ("empty", " \n ", None),
]


@pytest.mark.parametrize(("text", "reason"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_text_has_its_fineweb_reason(text: str, reason: str | None) -> None:
    verdict = judge(fineweb, text, FINEWEB)
    assert (verdict.reason if isinstance(verdict, Rejected) else None) == reason


def test_a_line_of_thirty_characters_is_short() -> None:
    assert fineweb.measure(Text("x" * 30))["fineweb_short_lines"] == 1.0
    assert fineweb.measure(Text("x" * 31))["fineweb_short_lines"] == 0.0


def test_the_papers_looser_value_can_be_set() -> None:
    text = "\n".join([*(LONG.format(n) for n in range(12)), LONG.format(1)])
    assert judge(fineweb, text, replace(FINEWEB, max_duplicate_characters=0.1)) == Kept()
