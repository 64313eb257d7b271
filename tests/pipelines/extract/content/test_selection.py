"""Choice of main content: rules by place, repeated texts, images that follow the texts around them."""

import numpy as np
import pytest

from corpusloom.pipelines.extract.content import assembly, selection
from corpusloom.pipelines.extract.reading.fast_walk.walk import fast_walk
from corpusloom.pipelines.extract.reading.types import ExtractConfig

RULES = ExtractConfig(method="rules")


def reasons(html: str, config: ExtractConfig = RULES) -> dict[str, str | None]:
    page = fast_walk(f"<body>{html}".encode(), "https://a.example/", config)
    runs = assembly.join_rows(page)
    found = selection.choose(page, runs, config)
    return {
        item.text or (item.image.url[18:] if item.image else ""): reason
        for item, reason in zip(runs, found, strict=True)
    }


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        ("<nav>x</nav>", "navigation"),
        ("<div role=navigation>x</div>", "navigation"),
        ("<div class=main-menu>x</div>", "navigation"),
        ("<footer>x</footer>", "footer"),
        ("<div id=cookie-banner>x</div>", "notice"),
        ("<div class='share-buttons social'>x</div>", "share_bar"),
        ("<div class=relatedPosts>x</div>", "related"),
        ("<aside>x</aside>", "aside"),
        ("<article><aside>x</aside></article>", None),
        ("<header>x</header>", "header"),
        ("<main><header>x</header></main>", None),
        ("<div aria-hidden=true>x</div>", "hidden"),
        ("<p><a href=y>x</a></p>", "links"),
        ("<p>x</p>", None),
    ],
)
def test_each_place_has_its_reason(html: str, reason: str | None) -> None:
    assert reasons(html) == {"x": reason}


def test_a_long_text_is_kept_once() -> None:
    text = "This sentence stands twice in the page, once for narrow screens."
    page = fast_walk(f"<p>{text}</p><p>{text}</p>".encode(), "https://a.example/", RULES)
    assert selection.choose(page, page.runs, RULES) == [None, "repeated"]


def test_a_page_that_hides_all_its_text_waits_for_a_script() -> None:
    text = "word " * 120
    assert reasons(f"<div hidden><p>{text}</p></div><p>y</p>") == {text.strip(): None, "y": None}
    assert reasons("<div hidden><p>Please wait</p></div>") == {"Please wait": "hidden"}


@pytest.mark.parametrize("names", ["has-sidebar", "page footer", "cookie-consent-enabled", "comments"])
def test_a_flag_on_most_of_the_text_is_ignored(names: str) -> None:
    text = "word " * 120
    html = f"<div class='{names}'><p>{text}</p><img src=i.jpg><p>{text}end</p></div>"
    assert set(reasons(html).values()) == {None}
    assert (
        reasons(f"<div class='{names}'>x</div>{html.replace(names, 'y')}")["x"]
        == reasons(f"<div class='{names}'>x</div>")["x"]
    )


SIGNS = """page-overlay content-overlay has-overlay modal popup promo login newsletter social twitter-tweet follow ads
    trending recommended related banner comments cookie-consent sidebar widget legal site-header main-menu meta"""
FIRST = "The harbour was quiet in the morning, and nobody had come back from the sea so far."
POST = "The new pier is open, and the first ferry has come in from the island."
SECOND = "A boy with a basket of bread walked along the quay and greeted each of them by name."


@pytest.mark.parametrize("names", SIGNS.split())
@pytest.mark.parametrize("method", ["rules", "learned"])
@pytest.mark.parametrize(
    "html",
    [
        "<div class='{}'><p>{}</p></div>",
        "<div class='{}'><h1>Title</h1><ul><li>{}</ul></div>",
        "<header><h1>Title</h1></header><nav><a href=/>Home</a></nav><div><div id='{}'><p>{}</p></div></div>",
        "<h1>Title</h1><p>1 May</p><main><div class='{}'><p>{}</p></div></main><footer>Imprint and Contact</footer>",
    ],
    ids=["alone", "list", "menu", "footer"],
)
def test_one_sign_does_not_empty_a_page(names: str, method: str, html: str) -> None:
    found = reasons(html.format(names, FIRST), ExtractConfig(method=method))
    assert found[FIRST] is None
    assert all(found[text] for text in ("Home", "Imprint and Contact") if text in found)


@pytest.mark.parametrize(
    "html",
    [
        "<div id=cookie-banner><p>We use cookies.</p></div>",
        "<div class=overlay><a href=x>" + FIRST + "</a></div>",
        "<div class=overlay hidden><p>" + FIRST + "</p></div>",
        "<nav><a href=x>Home</a> " + FIRST + "</nav>",
        "<div class=newsletter><p>" + FIRST + "</p></div><p>" + SECOND + "</p>",
    ],
    ids=["short", "links", "hidden", "menu", "beside a text"],
)
def test_a_sign_of_a_part_drops_it(html: str) -> None:
    found = reasons(html)
    assert found.pop(SECOND, None) is None
    assert None not in found.values()


def test_two_signs_of_a_page_leave_the_larger_part() -> None:
    html = f"<div class=overlay><p>{FIRST} {SECOND}</p><div class=comments><p>{SECOND}</p></div></div>"
    assert reasons(html)[f"{FIRST} {SECOND}"] is None
    apart = f"<div class=promo><p>{FIRST} {SECOND}</p></div><div class=related><p>{SECOND}</p></div>"
    assert reasons(apart) == {f"{FIRST} {SECOND}": None, SECOND: "related"}


@pytest.mark.parametrize(
    "post",
    [
        "<blockquote class='twitter-tweet'><p>{}</p>— X <a href=//t.co/1>1 May</a></blockquote>",
        "<blockquote class='social-post'><p>{}</p></blockquote>",
        "<figure class='wp-block-embed social'><div><blockquote class=twitter-tweet>{}</blockquote></div></figure>",
        "<div class='social-embed'><p>{}</p></div>",
        "<div class='embedded-tweet tweet'><div class=tweet-text>{}</div></div>",
        "<blockquote class=instagram-media><p>{}</p></blockquote>",
        "<twitter-widget class='twitter-tweet'><p>{}</p></twitter-widget>",
    ],
)
@pytest.mark.parametrize("method", ["rules", "learned"])
def test_an_embedded_post_is_content_and_a_share_bar_is_none(post: str, method: str) -> None:
    bar = "<div class='tweet-button social'><a href=x>Tweet this</a></div>"
    html = f"<article><h1>Title</h1><p>{FIRST}</p>{post.format(POST)}{bar}<p>{SECOND}</p></article>"
    found = reasons(html, ExtractConfig(method=method))
    assert [reason for text, reason in found.items() if POST in text] == [None]
    assert found["Tweet this"] == "share_bar"


def test_texts_of_the_same_style_share_their_mean_score() -> None:
    cards = "".join(f"<div class=card><h3 class=name>Card {number}</h3></div>" for number in range(4))
    page = fast_walk(f"<body><p>a b c</p>{cards}<div class=note>d</div>".encode(), "https://a.example/", RULES)
    given = np.array([0.9, 0.0, 0.2, 0.4, 0.6, 0.1], np.float32)
    lengths = np.array([3, 2, 2, 2, 2, 1], np.float32)
    shared = selection.share_among_alike(page, page.runs, given, lengths)
    np.testing.assert_allclose(shared, [0.9, 0.3, 0.3, 0.3, 0.3, 0.1], rtol=1e-6)


def test_everything_visible_stays_without_a_choice() -> None:
    config = ExtractConfig(main_content=False)
    assert reasons("<div class=menu>x and more</div><div hidden>y</div>", config) == {"x and more": None, "y": "hidden"}
