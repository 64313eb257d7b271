"""Choice of main content: rules by place, repeated texts, images that follow the texts around them."""

import pytest

from pipelines.extract import assembly, fast, selection
from pipelines.extract.blocks import Candidate, ExtractConfig
from schemas.records import ImageRef

RULES = ExtractConfig(method="rules")


def reasons(html: str, config: ExtractConfig = RULES) -> dict[str, str | None]:
    page = fast.walk(f"<body>{html}".encode(), "https://a.example/", config)
    candidates = assembly.join_rows(page)
    found = selection.choose(page, candidates, config)
    return {
        item.text or (item.image.url[18:] if item.image else ""): reason
        for item, reason in zip(candidates, found, strict=True)
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
def test_places(html: str, reason: str | None) -> None:
    assert reasons(html) == {"x": reason}


def test_a_long_text_is_kept_once() -> None:
    text = "This sentence stands twice in the page, once for narrow screens."
    page = fast.walk(f"<p>{text}</p><p>{text}</p>".encode(), "https://a.example/", RULES)
    assert selection.choose(page, page.candidates, RULES) == [None, "repeated"]


def test_images_follow_the_texts_around_them() -> None:
    text = "A paragraph that is long enough to speak for the image beside it, and a little more."
    found = reasons(
        f"<article><div><img src=a.jpg></div><p>{text}</p></article>"
        f"<nav><img src=b.jpg><p>{text} But elsewhere.</p></nav>"
        f"<article><img src=logo.png><p>{text} Again.</p></article>"
    )
    assert (found["a.jpg"], found["b.jpg"], found["logo.png"]) == (None, "navigation", "icon")


def test_everything_visible_stays_without_a_choice() -> None:
    config = ExtractConfig(main_content=False)
    assert reasons("<nav>x</nav><div hidden>y</div>", config) == {"x": None, "y": "hidden"}


@pytest.mark.parametrize(
    ("url", "alt_text", "size", "icon"),
    [
        ("https://a.example/kite.jpg", None, (None, None), False),
        ("https://a.example/site-logo.png", None, (None, None), True),
        ("https://a.example/icons/kite.jpg", None, (None, None), False),
        ("https://a.example/icons/pinterest.svg", None, (None, None), True),
        ("https://secure.gravatar.com/avatar/44aa?s=300", None, (None, None), True),
        ("https://a.example/k.jpg", "Icon of a kite", (None, None), True),
        ("https://a.example/k.jpg", None, (24, 24), True),
        ("https://a.example/k.jpg", None, (24, 600), False),
        ("https://a.example/technology.jpg", "Biology", (None, None), False),
    ],
)
def test_is_icon(url: str, alt_text: str | None, size: tuple[int | None, int | None], icon: bool) -> None:
    image = ImageRef(url=url, alt_text=alt_text, declared_width=size[0], declared_height=size[1])
    assert selection.is_icon(Candidate("image", "", 0, 0, image=image)) is icon
