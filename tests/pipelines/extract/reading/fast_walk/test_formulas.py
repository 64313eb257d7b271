"""Formulas: TeX where the page gives it, else plain text, from both walks."""

import pytest

from corpusloom.pipelines.extract.reading.fast_walk.formulas import Formula
from corpusloom.pipelines.extract.reading.fast_walk.walk import fast_walk
from corpusloom.pipelines.extract.reading.reference_walk.walk import reference_walk
from tests.pipelines.extract.reading import walk_cases


@pytest.mark.parametrize("walk", [fast_walk, reference_walk])
@pytest.mark.parametrize(("html", "expected"), walk_cases.FORMULAS)
def test_case(walk: walk_cases.Walk, html: str, expected: list[tuple[str, str]]) -> None:
    assert walk_cases.shown(walk, html) == expected


def test_tex_replaces_the_text_and_other_annotations_are_left_out() -> None:
    formula = Formula(display=False)
    formula.add("a")
    formula.open_annotation("MathML-Content")
    formula.add("in words")
    formula.close_annotation()
    formula.add(" b")
    assert formula.as_text() == " a b "
    formula.open_annotation("application/x-TeX")
    formula.add("a+b")
    formula.close_annotation()
    assert formula.as_text() == "$a+b$"
