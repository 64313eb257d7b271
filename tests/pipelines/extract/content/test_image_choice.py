"""Choice of images: signs, portraits, promotions, lead images, links that lead away, images among kept texts."""

import pytest

from corpusloom.pipelines.extract.content import assembly, image_choice, selection
from corpusloom.pipelines.extract.reading.fast_walk.walk import fast_walk
from corpusloom.pipelines.extract.reading.types import ExtractConfig, TextRun
from corpusloom.schemas.records import ImageRef

LINKS = "".join(f"<p><a href=/{n}>One of the short links, {n}</a></p>" for n in range(8))
RULES = ExtractConfig(method="rules")
TEXT = "A paragraph that is long enough to speak for the image beside it, and a little more than that."


def image_reasons(html: str) -> dict[str, str | None]:
    page = fast_walk(html.encode(), "https://a.example/page", RULES)
    runs = assembly.join_rows(page)
    reasons = selection.choose(page, runs, RULES)
    return {
        item.image.url.rpartition("/")[2]: reason
        for item, reason in zip(runs, reasons, strict=True)
        if item.image is not None
    }


def test_images_follow_the_texts_around_them() -> None:
    found = image_reasons(
        f"<article><div><img src=a.jpg></div><p>{TEXT}</p></article>"
        f"<div role=navigation><img src=b.jpg><p>{TEXT} But elsewhere.</p></div>"
        f"<article><img src=logo.png><p>{TEXT} Again.</p></article>"
    )
    assert found == {"a.jpg": None, "b.jpg": "navigation", "logo.png": "icon"}


def test_the_image_between_heading_and_text_leads_the_page() -> None:
    page = f"<div><img src=far.jpg>{LINKS}</div><div><h1>A title</h1></div>"
    page += f"<div><div><img src=lead.jpg></div>{LINKS}</div><p>{TEXT}</p>"
    assert image_reasons(page) == {"far.jpg": "boilerplate", "lead.jpg": None}


def test_an_image_by_which_the_page_is_shown_is_kept() -> None:
    page = f"<div>{LINKS}<img src=kite-300x200.jpg><img src=other.jpg></div>{LINKS}<p>{TEXT}</p>"
    head = "<meta property=og:image content=https://cdn.example/kite.jpg>"
    assert image_reasons(head + page)["kite-300x200.jpg"] is None
    assert image_reasons(head + page)["other.jpg"] == "boilerplate"


def test_a_linked_image_among_links_is_a_teaser() -> None:
    teaser = f"<div><a href=/next><img src=t.jpg></a><a href=/next>{TEXT}</a><p>{TEXT} By somebody else.</p></div>"
    larger = f"<div><a href=/big.jpg><img src=l.jpg></a><a href=/next>{TEXT}!</a><p>{TEXT} Another one.</p></div>"
    assert image_reasons(teaser + larger) == {"t.jpg": "related", "l.jpg": None}


def test_boxes_that_call_to_action_and_banners_that_lead_away_are_promotions() -> None:
    box = f"<div class='hs-cta-embed'><p><img src=a.jpg></p>{TEXT}</div>"
    banner = f"<div><a href=/shop><img src=summer-banner.jpg></a>{TEXT}!</div><div><img src=banner.jpg>{TEXT}?</div>"
    assert image_reasons(box + banner) == {"a.jpg": "promotion", "summer-banner.jpg": "promotion", "banner.jpg": None}


@pytest.mark.parametrize(
    ("url", "alt_text", "size", "reason"),
    [
        ("kite.jpg", None, (None, None), None),
        ("site-logo.png", None, (None, None), "icon"),
        ("icons/kite.jpg", None, (None, None), None),
        ("icons/pinterest.svg", None, (None, None), "icon"),
        ("k.jpg", "Icon of a kite", (None, None), "icon"),
        ("k.jpg", None, (24, 24), "icon"),
        ("k.jpg", None, (24, 600), None),
        ("technology.jpg", "Biology", (None, None), None),
        ("share.png", None, (None, None), "icon"),
        ("market-share-of-kites-2024.png", None, (None, None), None),
        ("share.png", None, (800, 600), None),
        ("k.jpg", "Star rating", (None, None), "icon"),
        ("k.jpg", "A red star above the harbour", (None, None), None),
        ("Ann-Author-headshot.png", None, (None, None), "portrait"),
        ("authors/ann.jpg", None, (None, None), "portrait"),
        ("secure.gravatar.com/avatar/44aa?s=300", None, (None, None), "portrait"),
        ("2024/09/cta-43.webp", None, (900, 300), "promotion"),
        ("doctrine.webp", None, (None, None), None),
    ],
)
def test_each_sign_has_its_reason(
    url: str, alt_text: str | None, size: tuple[int | None, int | None], reason: str | None
) -> None:
    image = ImageRef(url=f"https://a.example/{url}", alt_text=alt_text, declared_width=size[0], declared_height=size[1])
    assert image_choice.sign_reason(TextRun("image", "", 0, 0, image=image)) == reason
