"""One URL per image element: srcset by the standard, lazy attributes, placeholders, relative addresses."""

from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.extract.reading.image_urls import (
    Choice,
    NoImage,
    absolute,
    background,
    background_url,
    best_of_srcset,
    choose,
    declared_size,
    parse_srcset,
    picture_name,
)

BASE = "https://site.example/folder/page.html"


@pytest.mark.parametrize(
    ("srcset", "candidates"),
    [
        ("a.jpg", [("a.jpg", 1.0, "x")]),
        ("a.jpg 1x, b.jpg 2x", [("a.jpg", 1.0, "x"), ("b.jpg", 2.0, "x")]),
        ("a.jpg 640w,b.jpg 1280w", [("a.jpg", 640.0, "w"), ("b.jpg", 1280.0, "w")]),
        (
            "w_10,h_20/a.jpg 100w, w_20,h_40/a.jpg 200w",
            [("w_10,h_20/a.jpg", 100.0, "w"), ("w_20,h_40/a.jpg", 200.0, "w")],
        ),
        ("a.jpg, b.jpg 2x", [("a.jpg", 1.0, "x"), ("b.jpg", 2.0, "x")]),
        ("a.jpg 1.5x", [("a.jpg", 1.5, "x")]),
        ("a.jpg nonsense, b.jpg 2x", [("b.jpg", 2.0, "x")]),
        ("a.jpg 300w 200h", [("a.jpg", 300.0, "w")]),
        (" ,, \n a.jpg\t2x ,", [("a.jpg", 2.0, "x")]),
        ("a.jpg (1x, 2x) 2x, b.jpg 3x", [("a.jpg", 2.0, "x"), ("b.jpg", 3.0, "x")]),
        ("", []),
        (",", []),
    ],
)
def test_each_srcset_has_its_candidates(srcset: str, candidates: list[tuple[str, float, str]]) -> None:
    assert parse_srcset(srcset) == candidates


@given(st.text(alphabet="a,./ 12wx()\n", max_size=60))
def test_srcset_parsing_ends_and_urls_hold_no_space(srcset: str) -> None:
    assert all(url and " " not in url and "\n" not in url for url, _number, _unit in parse_srcset(srcset))


@pytest.mark.parametrize(
    ("srcset", "best"),
    [
        ("s.jpg 320w, m.jpg 2048w, l.jpg 4000w", "m.jpg"),
        ("l.jpg 3000w, xl.jpg 5000w", "l.jpg"),
        ("a.jpg 1x, b.jpg 3x, c.jpg 2x", "b.jpg"),
        ("data:image/gif;base64,AAAA 1x, real.jpg 2x", "real.jpg"),
        ("placeholder.png 100w", None),
        ("s.jpg 320w,m.jpg 640w", "m.jpg"),
        ("s.jpg 320w, m.jpg 640w,", "m.jpg"),
        ("s.jpg 320w, blank.gif 640w", "s.jpg"),
        ("s.jpg 640w, m.jpg 640w", "s.jpg"),
        ("s.jpg 320w, m.jpg", "s.jpg"),
        (",s.jpg 320w, m.jpg 2x 640w", "s.jpg"),
        ("s.jpg 32.5w, m.jpg 64.5w", "m.jpg"),
    ],
)
def test_the_largest_candidate_of_a_srcset_is_chosen(srcset: str, best: str | None) -> None:
    assert best_of_srcset(srcset) == best


@pytest.mark.parametrize(
    ("attributes", "sources", "url", "source"),
    [
        ({"src": "a.jpg"}, (), "https://site.example/folder/a.jpg", "src"),
        ({"src": "a.jpg", "srcset": "b.jpg 2x"}, (), "https://site.example/folder/b.jpg", "srcset"),
        ({"src": "a.jpg"}, [("c.webp 800w", "image/webp")], "https://site.example/folder/c.webp", "picture"),
        ({"src": "a.jpg"}, [("c.jxl 800w", "image/jxl")], "https://site.example/folder/a.jpg", "src"),
        ({"src": "blank.gif", "data-src": "/b.jpg"}, (), "https://site.example/b.jpg", "data-src"),
        (
            {"src": "data:image/gif;base64,AA", "data-lazy-src": "//cdn.example/b.jpg"},
            (),
            "https://cdn.example/b.jpg",
            "data-lazy-src",
        ),
        ({"data-original": "b.jpg"}, (), "https://site.example/folder/b.jpg", "data-original"),
        ({"src": "a.jpg", "data-src": "b.jpg"}, (), "https://site.example/folder/a.jpg", "src"),
        (
            {"data-srcset": "s.jpg 100w, b.jpg 900w", "src": "lazy.png"},
            (),
            "https://site.example/folder/b.jpg",
            "data-srcset",
        ),
        (
            {"data-x-srcset": "s.jpg 100w, b.jpg 900w", "src": "a.jpg"},
            (),
            "https://site.example/folder/b.jpg",
            "data-x-srcset",
        ),
        ({"src": "a.jpg", "data-x": "s.jpg 100w"}, (), "https://site.example/folder/a.jpg", "src"),
        ({"src": "1x1.gif", "data-x": "s.jpg 1w"}, (), "https://site.example/folder/s.jpg", "data-x"),
        ({"src": "1x1.gif", "data-x": "/b.jpg", "data-y": "/c.jpg"}, (), "https://site.example/b.jpg", "data-x"),
        ({"src": "1x1.gif", "data-x": "/blank.gif"}, (), None, "placeholder"),
        ({"src": "#"}, (), None, "placeholder"),
        ({"data-x": "/b.jpg"}, (), "https://site.example/b.jpg", "data-x"),
        ({"src": "a b.jpg"}, (), "https://site.example/folder/a%20b.jpg", "src"),
        ({"src": "loading.gif", "data-src": "{{ image }}"}, (), None, "placeholder"),
        ({"src": "x.gif", "width": "1", "height": "1"}, (), None, "tracking_pixel"),
        ({"src": "x.gif", "style": "width:2px"}, (), None, "tracking_pixel"),
        ({"src": "data:image/png;base64,AAAA"}, (), None, "data_uri"),
        ({"src": "javascript:alert(1)"}, (), None, "bad_url"),
        ({"src": "file:///etc/passwd"}, (), None, "bad_url"),
        ({}, (), None, "no_url"),
        ({"src": "  "}, (), None, "no_url"),
    ],
)
def test_the_best_url_of_an_element_is_chosen_with_its_source(
    attributes: dict[str, str], sources: list[tuple[str, str]], url: str | None, source: str
) -> None:
    expected = Choice(url, source) if url else NoImage(source)
    assert choose(attributes, sources, BASE) == expected


@pytest.mark.parametrize(
    "name",
    [
        "blank.gif",
        "template-blank_2x.gif",
        "img-placeholder.png",
        "1x1.png",
        "2-trans.gif",
        "gray.svg",
        "transparent_300x200.png",
        "loading-16px.gif",
        "bg_empty.png",
        "lazy-loader.svg",
    ],
)
def test_a_placeholder_is_named_as_one(name: str) -> None:
    assert choose({"src": f"/i/{name}"}, (), BASE) == NoImage("placeholder")


@pytest.mark.parametrize(
    "name",
    [
        "plot_rgb_to_gray_001.png",
        "erode-pixel.png",
        "pixel_graphs_thumb.png",
        "stock-edit-clear-16.png",
        "taj-rotation-gray.jpg",
        "empty-image-window.png",
        "logo-semi-transp.png",
        "color-to-gray-dialog.png",
        "12.png",
        "image.png",
        "polka-dot.jpg",
    ],
)
def test_a_url_that_only_contains_such_a_word_is_not_a_placeholder(name: str) -> None:
    assert choose({"src": f"/i/{name}"}, (), BASE) == Choice(f"https://site.example/i/{name}", "src")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("../a.jpg", "https://site.example/a.jpg"),
        ("?x=1", "https://site.example/folder/page.html?x=1"),
        ("https://other.example/a.jpg#top", "https://other.example/a.jpg"),
        ("HTTPS://Other.example/a.jpg", "https://Other.example/a.jpg"),
        ("\n /a\n.jpg ", "https://site.example/a.jpg"),
        ("http://[::1", None),
        ("http://", None),
        ("mailto:a@b.example", None),
        ("https://a.example/" + "x" * 5000, None),
        ("\ud800.jpg", None),
        ("", None),
    ],
)
def test_relative_addresses_become_absolute(url: str, expected: str | None) -> None:
    assert absolute(url, BASE) == expected


def test_a_page_of_a_web_archive_keeps_the_two_slashes_of_its_path() -> None:
    base = "https://archive.example/web/2020/http://site.example/a/page.html"
    assert absolute("b.png", base) == "https://archive.example/web/2020/http://site.example/a/b.png"
    assert absolute("../b.png", base) == "https://archive.example/web/2020/http://site.example/b.png"


@given(st.text(max_size=80))
def test_an_address_is_http_or_nothing(url: str) -> None:
    found = absolute(url, BASE)
    assert found is None or found.startswith(("http://", "https://"))


@given(st.text("ab/.?&=%-_:;,@[]!$", max_size=12), st.sampled_from(("?q=1", "/f/p.html", "", "/?a=b#c", "/f;p")))
def test_the_short_cut_for_paths_from_the_root_equals_urljoin(path: str, rest: str) -> None:
    base = f"http://site.example:8080{rest}"
    found = absolute(f"/{path}", base)
    if found is not None:
        assert found == urljoin(base, f"/{path}").partition("#")[0]


def test_declared_size_reads_attributes_then_style() -> None:
    assert declared_size({"width": "640", "height": "480px"}) == (640, 480)
    assert declared_size({"width": "100%", "style": "max-width:9px; width: 320.5px; height:20px"}) == (320, 20)
    assert declared_size({}) == (None, None)


@pytest.mark.parametrize(
    ("attributes", "url"),
    [
        ({"style": "background:url(a.jpg)", "data-bg": "b.jpg"}, "a.jpg"),
        ({"style": "background:url(blank.gif)", "data-bg": "i/b.jpg"}, "i/b.jpg"),
        ({"style": "background:url(data:image/gif;base64,R0)", "data-lazy-background": "url('i/b.jpg')"}, "i/b.jpg"),
        ({"data-src": "i/b.jpg"}, None),
        ({}, None),
    ],
)
def test_a_background_may_be_loaded_lazily(attributes: dict[str, str], url: str | None) -> None:
    assert background(attributes, "https://site.example/") == (url and f"https://site.example/{url}")


def test_a_background_image_is_read_from_the_style() -> None:
    assert background_url("color:red; background: #fff url( 'a.jpg' ) no-repeat") == "a.jpg"
    assert background_url("color:red") is None


def test_picture_name_is_shared_by_renditions() -> None:
    assert (
        picture_name("https://a.example/x/Kite-300x200.jpg?v=2")
        == picture_name("http://b.example/kite.jpg")
        == "kite.jpg"
    )
