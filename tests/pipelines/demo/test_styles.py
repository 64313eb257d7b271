"""Every page style shows each picture with its escaped words, and extraction finds all of them."""

from html import escape

import pytest

from corpusloom.pipelines.demo.styles import STYLES, Shown, shell
from corpusloom.pipelines.extract.extractor import extract
from corpusloom.pipelines.extract.reading.types import Extracted

TEXT = "The keeper of the museum wrote down where each of the sheets was found, and <when> it was cut by hand."
PICTURES = [
    Shown(f"/pictures/{number}.jpg", f"a large red star & {word} rings", f"{TEXT} Sheet {word}.", 320, 240)
    for number, word in enumerate(("two", "three"))
]
REMARKED = ("museum", "journal")


@pytest.mark.parametrize("host", STYLES)
def test_pictures_are_on_the_page_in_order_each_with_its_caption_or_its_remark(host: str) -> None:
    content = STYLES[host](PICTURES)
    for shown in PICTURES:
        assert content.count(escape(shown.caption)) >= 2
        assert (escape(shown.remark) in content) == (host in REMARKED)
    page = extract(shell(f"{host}.localhost", "A title", content).encode(), f"http://{host}.localhost/x.html")
    assert isinstance(page, Extracted)
    assert page.title == "A title"
    urls = [block.image.url for block in page.blocks if block.image is not None]
    assert [url.rpartition("/")[2] for url in dict.fromkeys(urls)][:2] == ["0.jpg", "1.jpg"]
    text = " ".join(block.text or "" for block in page.blocks)
    words = [p.remark if host in REMARKED else p.caption for p in PICTURES]
    assert text.count(words[0]) == 1
    assert text.index(words[0]) < text.index(words[1])
    assert "Popular" not in text
    assert "cookies" not in text


def test_some_hosts_hang_a_banner_and_a_sidebar_round_their_pages() -> None:
    assert "cookie-banner" in shell("market.localhost", "t", "")
    assert "sidebar" in shell("journal.localhost", "t", "")
    assert "cookie-banner" not in shell("museum.localhost", "t", "")


def test_a_title_is_escaped_and_a_head_is_not() -> None:
    page = shell("museum.localhost", "a < b", "", head='<meta name="robots" content="noai">')
    assert "<title>a &lt; b</title><meta name=" in page
    assert "<h1>a &lt; b</h1>" in page
