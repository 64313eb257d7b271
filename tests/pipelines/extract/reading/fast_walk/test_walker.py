"""The walker: facts of images, captions, caps, menus."""

import pytest

from corpusloom.pipelines.extract.reading.fast_walk.walk import fast_walk
from corpusloom.pipelines.extract.reading.types import ExtractConfig, RawPage
from tests.pipelines.extract.reading import walk_cases


def walked(html: str, **config: object) -> RawPage:
    return walk_cases.walked(fast_walk, html, **config)


def test_an_image_has_the_facts_of_its_element() -> None:
    html = (
        "<base href='/x/'><base href='/y/'><figure><a href='big.jpg'>"
        "<img src=i.jpg alt=' a  b ' title=t width=640 height=480></a><figcaption>c <b>d</b></figcaption></figure>"
    )
    image = walked(html).runs[0].image
    assert image is not None
    assert (image.url, image.link) == ("https://a.example/x/i.jpg", "https://a.example/x/big.jpg")
    assert (image.alt_text, image.caption, image.title) == ("a b", "c d", "t")
    assert (image.declared_width, image.declared_height, image.source) == (640, 480, "src")


def test_a_caption_class_after_an_image_is_its_caption() -> None:
    page = walked(
        "<div><img src=i.jpg><p class=wp-caption-text>Seen from above.</p></div><p class=caption>No image before.</p>"
    )
    assert page.runs[0].image is not None
    assert page.runs[0].image.caption == "Seen from above."
    assert [item.text for item in page.runs[1:]] == ["No image before."]


def test_caps_cut_and_say_so() -> None:
    page = walked("<p>x" * 50, max_blocks=10)
    assert (len(page.runs), page.truncated) == (10, True)
    page = walked("".join(f"<img src={n}.jpg>" for n in range(50)), max_images=5)
    assert (len(page.runs), page.truncated) == (5, True)


def test_a_page_from_a_file_takes_its_canonical_link_as_base() -> None:
    html = "<link rel=canonical href='https://b.example/x/y'><img src=i.jpg>"
    page = fast_walk(html.encode(), "file:///tmp/p.html", ExtractConfig())
    assert [item.image.url for item in page.runs if item.image] == ["https://b.example/x/i.jpg"]
    assert walked(html).runs[0].image.url == "https://a.example/d/i.jpg"


def test_images_beside_a_page_from_a_file_are_file_uris() -> None:
    html = (
        b"<img src=i.jpg><img src='file:///etc/x.png'><img src='//b.example/j.jpg'><a href=f.html><img src=/k.jpg></a>"
    )
    page = fast_walk(html, "file:///tmp/p.html", ExtractConfig())
    assert [item.image.url for item in page.runs if item.image] == ["file:///tmp/i.jpg", "file:///k.jpg"]
    assert [item.image for item in walked("<img src='file:///tmp/i.jpg'>").runs] == []


@pytest.mark.parametrize("title", ["<p class=title><b>Figure 1. A</b></p>{}", "{}<p class=caption>Figure 1. A</p>"])
def test_a_div_of_class_figure_gives_its_title_to_its_image(title: str) -> None:
    picture = "<div class=figure-contents><img src=i.jpg></div>"
    page = walked(f"<p>before</p><div class=figure>{title.format(picture)}</div><p class=title>after</p>")
    assert [item.image.caption if item.image else item.text for item in page.runs] == [
        "before",
        "Figure 1. A",
        "after",
    ]


def test_a_menu_is_one_run_with_one_line_per_entry() -> None:
    html = "<nav><ul><li><a href=x>Home</a></li><li>About <b>us</b></li></ul><img src=i.jpg></nav><p>text</p>"
    page = walked(html)
    assert [(item.kind, item.text, item.link_chars) for item in page.runs] == [
        ("other", "Home\nAbout us", 4),
        ("paragraph", "text", 0),
    ]
    assert [item.kind for item in walked(html, main_content=False).runs] == ["list", "list", "image", "paragraph"]


@pytest.mark.parametrize("tag", ["main", "article", "h1"])
def test_a_menu_left_open_ends_where_the_page_begins(tag: str) -> None:
    found = walk_cases.shown(fast_walk, f"<nav><a href=x>Home</a><{tag}>Begin<p>one</p><img src=i.jpg>")
    assert [kind for kind, _ in found][2:] == ["paragraph", "image"]
    assert found[0] == ("other", "Home")
