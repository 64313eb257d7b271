"""Images with texts: the whole page, each picture once."""

from pathlib import Path

from pipelines.extract.alt_texts import images_with_texts

PAGES = Path(__file__).parent / "pages"


def test_all_content_images_of_the_page_with_their_texts() -> None:
    found = images_with_texts((PAGES / "article.html").read_bytes(), "https://wind.example/kites/how")
    assert [(item.url.removeprefix("https://wind.example/img/"), item.alt_text, item.caption) for item in found] == [
        ("logo.png", "Wind Journal logo", None),
        ("kite-1280.webp", "A red kite above a beach", "A red kite above the beach at Wissant."),
        ("drawing.png", "Forces on a kite", "Forces on a kite, drawn by hand."),
    ]


def test_a_page_that_is_none_has_no_images() -> None:
    assert images_with_texts(b"%PDF-1.4", "https://a.example/") == []
