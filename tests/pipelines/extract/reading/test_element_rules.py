"""Rules for one element: context, marker, formula, letters that are images."""

import pytest

from corpusloom.pipelines.extract.reading import element_rules
from corpusloom.pipelines.extract.reading import elements as el


@pytest.mark.parametrize(
    ("tag", "around", "context"),
    [
        ("p", "other", "paragraph"),
        ("p", "list", "list"),
        ("p", "quote", "quote"),
        ("div", "paragraph", "other"),
        ("div", "list", "list"),
        ("h2", "list", "h2"),
        ("div", "h2", "h2"),
        ("h3", "h2", "h3"),
        ("li", "table", "list"),
        ("td", "list", "table"),
        ("pre", "list", "code"),
        ("p", "code", "code"),
        ("blockquote", "list", "list"),
        ("caption", "table", "table_caption"),
    ],
)
def test_class_words_change_the_context_of_an_element(tag: str, around: str, context: str) -> None:
    assert element_rules.context_of(tag, "", around, False) == context


def test_a_caption_class_counts_after_an_image_only() -> None:
    assert element_rules.context_of("p", "wp-caption-text", "other", True) == "caption"
    assert element_rules.context_of("p", "wp-caption-text", "other", False) == "paragraph"
    assert element_rules.context_of("p", "captions", "other", True) == "paragraph"


def test_section_words_inherit_and_add() -> None:
    classes, flags = element_rules.section_words("nav", {"class": "x", "id": "menu", "role": "search"}, el.ARTICLE)
    assert classes == "x menu"
    assert flags == el.ARTICLE | el.NAV | el.FORM
    assert element_rules.section_words("dialog", {"open": ""}, 0)[1] & el.HIDDEN == 0
    assert element_rules.section_words("div", {"aria-hidden": "true"}, 0)[1] == el.HIDDEN


@pytest.mark.parametrize(
    ("tex", "text", "display", "shown"),
    [
        (" a^2 ", "a2", False, "$a^2$"),
        ("a^2", "", True, "$$a^2$$"),
        ("{\\displaystyle a}", "", False, "$a$"),
        ("", " a \n b ", False, " a b "),
    ],
)
def test_a_formula_is_its_tex_or_its_text(tex: str, text: str, display: bool, shown: str) -> None:
    assert element_rules.math_text(tex, text, display) == shown


@pytest.mark.parametrize(
    ("classes", "letters"), [("emoji", True), ("x wp-smiley", True), ("latex", True), ("kite", False)]
)
def test_images_of_emoji_and_formulas_stand_for_text(classes: str, letters: bool) -> None:
    assert element_rules.stands_for_text(classes) is letters


def test_list_items_begin_with_a_dash_or_their_number() -> None:
    assert [
        element_rules.item_marker(tag, ordered, 3)
        for tag, ordered in (("li", False), ("li", True), ("dt", False), ("dd", False))
    ] == [
        "- ",
        "3. ",
        "",
        "  ",
    ]
