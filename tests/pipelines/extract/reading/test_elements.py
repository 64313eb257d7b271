"""Flags that class words and styles set on an element."""

import pytest

from corpusloom.pipelines.extract.reading import elements as el


@pytest.mark.parametrize(
    ("names", "flag"),
    [
        ("main-nav", el.NAV),
        ("primaryNavigation", el.NAV),
        ("breadcrumb", el.NAV),
        ("site_footer", el.FOOTER),
        ("widget-area", el.ASIDE),
        ("comment-list", el.COMMENTS),
        ("related-posts", el.RELATED),
        ("sharing", el.SOCIAL),
        ("btn-tweet", el.SOCIAL),
        ("cookie-consent", el.COOKIE),
        ("ad sponsor", el.ADVERT),
        ("product-card", el.CARD),
        ("entry-content", el.POSITIVE),
        ("visually-hidden", el.HIDDEN),
        ("siteHeader", el.HEADER),
        ("skip-link", el.NAV),
        ("read-more", el.RELATED),
        ("recommendations", el.RELATED),
        ("commentlist", el.COMMENTS),
        ("customer-reviews", el.REVIEWS),
        ("tech-specs", el.SPECS),
        ("add-to-cart", el.BUYING),
    ],
)
def test_class_words_set_flags(names: str, flag: int) -> None:
    assert el.class_flags(names) & flag
    assert el.class_flags(f"row {names} col-md-6") & flag


@pytest.mark.parametrize(
    "names",
    [
        "",
        "twitter-tweet",
        "social-embed",
        "row col-md-6",
        "navigate-x7",
        "shadow",
        "adorable",
        "hiddenness",
        "more",
        "skip",
    ],
)
def test_other_class_words_set_no_flag(names: str) -> None:
    assert el.class_flags(names) == 0


def test_styles_with_display_none_or_hidden_hide_an_element() -> None:
    assert el.style_hides("color:red; DISPLAY : none")
    assert el.style_hides("visibility:hidden")
    assert not el.style_hides("display:block")


def test_inline_elements_without_text_are_recognised() -> None:
    assert el.inline_is_skipped("x mw-editsection")
    assert el.inline_is_skipped("sr-only")
    assert not el.inline_is_skipped("sr-only-focusable-x")
