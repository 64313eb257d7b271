"""The two walks state the same rules: equal on the bundled pages and on generated mark-up, well formed or not."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusloom.pipelines.extract.reading import elements as el
from corpusloom.pipelines.extract.reading import source
from corpusloom.pipelines.extract.reading.fast_walk.walk import HANDLERS, fast_walk
from corpusloom.pipelines.extract.reading.reference_walk.walk import RULES, reference_walk
from corpusloom.pipelines.extract.reading.types import ExtractConfig

PAGES = sorted((Path(__file__).parents[2] / "pages").glob("*.html"))
CONFIG = ExtractConfig()
URL = "https://site.example/folder/page.html"
NAMES = (
    "p div span b a ul ol li dl dt dd table tr td th caption figure figcaption img br hr h1 h2 pre blockquote section "
    "sup sub nav footer main noscript picture source script style template math annotation button form article em "
    "details title o:p x-y"
)
TAGS = NAMES.split()
ATTRIBUTES = (
    "",
    " class=caption",
    " class=figure",
    " class=title",
    " class='sr-only x'",
    " hidden",
    " style='display:none'",
    " src=a.jpg alt=one",
    " src=b.png width=1",
    " srcset='c.jpg 2x, d.jpg 1x'",
    " data-src=e.jpg src=blank.gif",
    " href=f.jpg",
    " role=img aria-label=x style='background-image:url(g.jpg)'",
    " shadowrootmode=open",
    " encoding=application/x-tex",
    " start=5",
)
markup = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(TAGS), st.sampled_from(ATTRIBUTES)).map(lambda pair: f"<{pair[0]}{pair[1]}>"),
        st.sampled_from(TAGS).map(lambda tag: f"</{tag}>"),
        st.sampled_from(("text ", " more", "&amp;", "\n", " ", "2", "x", "Ünï\u200bcode", "end.")),
    ),
    max_size=40,
).map("".join)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_walks_agree_on_bundled_pages(path: Path) -> None:
    prepared, _charset, _cut = source.prepare(path.read_bytes(), None, CONFIG)
    fast = fast_walk(prepared, URL, CONFIG)
    assert fast == reference_walk(prepared, URL, CONFIG)
    assert len(fast.runs) > 8


def test_xhtml_is_read_without_a_word_of_warning(recwarn: pytest.WarningsRecorder) -> None:
    xhtml = b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body><p>text</p></body></html>'
    assert fast_walk(xhtml, URL, CONFIG) == reference_walk(xhtml, URL, CONFIG)
    assert not recwarn.list


@given(markup)
@settings(max_examples=250, deadline=None)
def test_walks_agree_on_any_markup(html: str) -> None:
    prepared, _charset, _cut = source.prepare(f"<body>{html}".encode(), None, CONFIG)
    assert fast_walk(prepared, URL, CONFIG) == reference_walk(prepared, URL, CONFIG)


@pytest.mark.parametrize("depth", [10, 190, 400, 3000])
def test_walks_agree_beyond_the_depth_cap(depth: int) -> None:
    html = b"<body>" + b"<div>" * depth + b"deep <b>text</b><script>no text</script>" + b"</div>" * depth + b"<p>after"
    fast = fast_walk(html, URL, CONFIG)
    assert fast == reference_walk(html, URL, CONFIG)
    assert [item.text for item in fast.runs] == ["deep text", "after"]


def test_each_element_with_a_handler_has_a_rule() -> None:
    left_out_or_inline = el.INLINE | el.SKIPPED
    assert set(HANDLERS) - left_out_or_inline == set(RULES) - left_out_or_inline
