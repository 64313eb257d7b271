"""Images with their texts from the whole page, each picture once."""

from pathlib import Path

import pytest

from corpusloom.pipelines.extract.alt_texts import PageImages, extract_images
from corpusloom.pipelines.extract.reading.types import ExtractConfig
from corpusloom.schemas.verdicts import Rejected

PAGES = Path(__file__).parent / "pages"


def test_all_content_images_of_a_page_are_found_with_their_texts() -> None:
    found = extract_images((PAGES / "article.html").read_bytes(), "https://wind.example/kites/how")
    assert isinstance(found, PageImages)
    assert [
        (item.url.removeprefix("https://wind.example/img/"), item.alt_text, item.caption) for item in found.images
    ] == [
        ("logo.png", "Wind Journal logo", None),
        ("kite-1280.webp", "A red kite above a beach", "A red kite above the beach at Wissant."),
        ("drawing.png", "Forces on a kite", "Forces on a kite, drawn by hand."),
    ]


def test_a_page_has_its_licence_and_link_or_a_reason() -> None:
    page = extract_images((PAGES / "article.html").read_bytes(), "https://wind.example/kites/how")
    assert isinstance(page, PageImages)
    assert (page.license, page.canonical_link) == ("CC-BY-SA-4.0", "https://wind.example/kites")
    assert extract_images(b"<p>no image", "https://a.example/") == Rejected("no_images")
    assert extract_images(b" ", "https://a.example/") == Rejected("empty_page")
    assert extract_images(b"GIF89a", "https://a.example/") == Rejected("not_html")


@pytest.mark.parametrize("walk", ["fast", "reference"])
def test_an_image_has_both_its_titles(walk: str) -> None:
    html = b'<img src=http://a.example/a alt="" title="A boat" data-image-title=" A small\nboat ">'
    page = extract_images(html, "http://a.example/", config=ExtractConfig(walk=walk))
    assert isinstance(page, PageImages)
    assert [(image.title, image.image_title) for image in page.images] == [("A boat", "A small boat")]


def test_the_sample_of_a_page_is_the_beginning_of_its_text_without_links() -> None:
    menu = "<ul><li><a href=/a>Home of the site</a></ul>"
    body = f"{menu}<img src=/i><p>The first text.</p><p>{'word ' * 500}</p><p>The last one.</p>"
    page = extract_images(body.encode(), "http://a.example/")
    assert isinstance(page, PageImages)
    assert page.sample.startswith("The first text. word word")
    assert len(page.sample) == 1_201  # 1,200 characters of text and a blank between two
