"""Boilerplate blocks are found, and content about the same subjects stays."""

from dataclasses import replace

import pytest

from corpusloom.pipelines.filters.boilerplate import BoilerplateConfig, boilerplate_blocks, boilerplate_reason
from corpusloom.schemas.records import Block, ImageRef
from tests.pipelines.filters.published import BOILERPLATE as CONFIG


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("We use cookies to improve your experience. Accept all", "cookie_notice"),
        ("This website uses cookies. By continuing you agree to our cookie policy.", "cookie_notice"),
        ("Manage your cookie preferences", "cookie_notice"),
        ("Share on Facebook Share on Twitter Pinterest", "share_bar"),
        ("Tweet\nShare\nPin\nEmail", "share_bar"),
        ("Read more", "read_more"),
        ("Continue reading →", "read_more"),
        ("Read more about the history of bridges", "read_more"),
        ("Click here to read the full story", "read_more"),
        ("Back to top", "back_to_top"),
        ("Skip to main content", "back_to_top"),
        ("Sign up for our weekly newsletter", "sign_up"),
        ("Enter your email address", "sign_up"),
        ("© 2023 Example Ltd. All rights reserved.", "copyright"),
        ("Privacy Policy | Terms of Use | Contact us", "legal_links"),
        ("Customers may sign up for the newsletter of the town on the same page.", None),
        ("The rule is for apps that use cookies or send letters.", None),
        ("He read the privacy policy and then the privacy policy of the other firm.", None),
        ("Cookies with chocolate chips need twelve minutes in the oven.", None),
        ("She shares her house with three cats and a dog.", None),
        ("I like to read more than to write.", None),
        ("In 1984 the copyright of the song passed to his brother.", None),
        ("He wanted to read more about bridges and so he went to the library of the town every day.", None),
        ("", None),
    ],
)
def test_each_boilerplate_text_has_its_reason(text: str, reason: str | None) -> None:
    assert boilerplate_reason(text, CONFIG) == reason


def test_an_article_about_cookies_stays() -> None:
    text = "When a website sets cookies in the browser, the server can know it again. " * 10
    assert boilerplate_reason(text, CONFIG) is None


def test_code_captions_and_images_stay() -> None:
    blocks = (
        Block(kind="code", text="accept all cookies"),
        Block(kind="caption", text="Read more"),
        Block(kind="image", image=ImageRef(url="http://a/cookie.jpg")),
        Block(kind="paragraph", text="Read more"),
    )
    dropped = boilerplate_blocks(blocks, CONFIG)
    assert [(item.index, item.reason, item.measured) for item in dropped] == [(3, "read_more", 2.0)]


def test_share_bars_can_be_left() -> None:
    block = Block(kind="list", text="Facebook Twitter")
    assert [item.reason for item in boilerplate_blocks([block], CONFIG)] == ["share_bar"]
    assert boilerplate_blocks([block], replace(CONFIG, min_share_words=None)) == ()


@pytest.mark.parametrize(
    ("threshold", "words", "longer"),
    [
        ("max_notice_words", "This site uses cookies." + " word" * 56, " word"),
        ("max_label_words", "Read more about one two three four five six seven eight nine", " ten"),
    ],
)
def test_a_longer_block_is_content_and_without_the_threshold_nothing_goes(
    threshold: str, words: str, longer: str
) -> None:
    assert boilerplate_reason(words, CONFIG) is not None
    assert boilerplate_reason(words + longer, CONFIG) is None
    assert boilerplate_reason(words, replace(CONFIG, **{threshold: None})) is None  # type: ignore[arg-type]


def test_without_thresholds_every_block_stays() -> None:
    for text in ("Read more", "We use cookies. Accept all", "Share on Facebook", "All rights reserved"):
        assert boilerplate_reason(text, BoilerplateConfig()) is None
