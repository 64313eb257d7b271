"""Pages share a head, and show what is invisible in a text."""

from corpusloom.trainers.evaluation.pages.html import render_page, visible


def test_texts_are_escaped_and_the_head_is_shared() -> None:
    html = render_page("search_page.html.j2", title="<b>\u202e", note="n", queries=[])
    assert "<title>&lt;b&gt;\\u202e</title>" in html
    assert "default-src &#39;none&#39;" in html or "default-src 'none'" in html


def test_controls_become_visible_and_lines_stay() -> None:
    assert visible("a\nb\x07\u2066é") == "a\nb\\x07\\u2066é"
