"""Extraction as a whole: order of blocks, facts, reasons, and a result for any bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusloom.pipelines.extract import extractor
from corpusloom.pipelines.extract.extractor import extract
from corpusloom.pipelines.extract.reading.types import ExtractConfig, Extracted
from corpusloom.schemas.verdicts import Dead, Rejected

URL = "https://site.example/folder/page.html"
PAGE = """<!doctype html><html><head><title>A &amp; B</title><link rel=canonical href="/page">
<meta property="og:image" content="cover.jpg"></head><body><nav><a href=/>Home</a></nav><article><h1>Heading</h1>
<p>First text, which is <b>long</b> enough to be read.</p><figure><img src="a.jpg" alt="An alt text">
<figcaption>A caption.</figcaption></figure><p>Second text.</p><ul><li>one<li>two</ul></article>
<footer>Imprint</footer></body></html>"""


def extracted(html: str | bytes, **config: object) -> Extracted:
    page = extract(html.encode() if isinstance(html, str) else html, URL, config=ExtractConfig(**config))
    assert isinstance(page, Extracted), page
    return page


def test_blocks_stand_in_reading_order_and_facts_beside() -> None:
    page = extracted(PAGE, method="rules")
    assert [(b.kind, b.text or b.image.url) for b in page.blocks if b.text or b.image] == [
        ("heading", "Heading"),
        ("paragraph", "First text, which is long enough to be read."),
        ("image", "https://site.example/folder/a.jpg"),
        ("paragraph", "Second text."),
        ("list", "- one\n- two"),
    ]
    image = page.blocks[2].image
    assert image is not None
    assert (image.alt_text, image.caption) == ("An alt text", "A caption.")
    assert (page.title, page.canonical_link) == ("A & B", "https://site.example/page")
    assert [image.url for image in page.meta_images] == ["https://site.example/folder/cover.jpg"]


@given(st.binary(max_size=4000))
@settings(max_examples=100, deadline=None)
def test_extraction_is_total_on_any_bytes(html: bytes) -> None:
    assert not isinstance(extract(html, URL), Dead)


@pytest.mark.parametrize(
    "html",
    [
        b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body><p>TEXT<br></p></div></html><p/>&nope;',
        b"<html><body><pre>TEXT</pre></body></html>",
        b"<html><body><p>TEXT</p>\xff\xfe\x00<p",
        b"<html><frameset><frame src=a><noframes><p>none</p></noframes></frameset><p>TEXT</p>",
    ],
    ids=["xhtml", "pre", "bytes", "frameset"],
)
def test_bad_pages_give_the_text_that_they_have(html: bytes) -> None:
    text = b"This sentence is all the text that stands in a page with errors of several kinds, and it is kept."
    page = extract(html.replace(b"TEXT", text), URL, content_type="text/html; charset=iso-2022-kr-x")
    assert isinstance(page, Extracted)
    assert any(text.decode() in (block.text or "") for block in page.blocks)


def test_what_is_no_page_is_rejected_with_its_reason() -> None:
    cases = {
        b"": "empty_page",
        b"%PDF-1.7 ...": "not_html",
        b'{"a": 1}': "not_html",
        b"<html><frameset><frame src=a></frameset></html>": "frameset",
        b"<html><body><div id=root></div><script>start()</script>": "no_content",
    }
    for html, reason in cases.items():
        verdict = extract(html, URL)
        assert isinstance(verdict, Rejected), html
        assert verdict.reason == reason


def test_the_reference_walk_is_the_fallback_of_the_fast_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    html = b"<p>Wind turbines turn slowly.<img src=a.jpg><table><tr><td>1<td>2</table>"
    expected = extract(html, "https://a.example/")
    assert isinstance(expected, Extracted)

    def fail(*_: object) -> None:
        raise IndexError("a bug")

    monkeypatch.setattr(extractor, "fast_walk", fail)
    assert extract(html, "https://a.example/") == expected
    monkeypatch.setattr(extractor, "reference_walk", fail)
    dead = extract(html, "https://a.example/")
    assert isinstance(dead, Dead)
    assert (dead.error, dead.message) == ("IndexError", "a bug")
    assert "a bug" in dead.traceback


def test_structured_data_is_read_if_the_page_shows_next_to_no_text() -> None:
    body = " ".join(f"Sentence {n} is only in the data." for n in range(12))
    script = f'<script type="application/ld+json">{{"articleBody": "{body}"}}</script>'
    found = extract(f"{script}<p>Loading.".encode(), "https://a.example/")
    assert isinstance(found, Extracted)
    assert [block.text for block in found.blocks] == ["Loading.", body]
    off = extract(f"{script}<p>Loading.".encode(), "https://a.example/", config=ExtractConfig(structured_data=False))
    assert isinstance(off, Extracted)
    assert [block.text for block in off.blocks] == ["Loading."]
