"""The walk's rules, one a case: what separates texts, what is text, which image an element is."""

import pytest

from corpusloom.pipelines.extract.reading import walk
from corpusloom.pipelines.extract.reading.types import ExtractConfig, RawPage

URL = "https://a.example/d/p.html"


def walked(html: str, **config: object) -> RawPage:
    return walk.walk(html.encode(), URL, ExtractConfig(**config))


def shown(html: str) -> list[tuple[str, str]]:
    return [(item.kind, item.text or (item.image.url[18:] if item.image else "")) for item in walked(html).candidates]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>a<b>b</b>c <i> d</i></p>", [("paragraph", "abc d")]),
        ("<div>loose<p>para</p>tail</div>", [("other", "loose"), ("paragraph", "para"), ("other", "tail")]),
        ("a<br>b<br><br>c", [("other", "a\nb"), ("other", "c")]),
        ("<a href=x>one</a><a href=y>two</a>", [("other", "one two")]),
        ("<p>a<img src=i.jpg>b</p>", [("paragraph", "a"), ("image", "d/i.jpg"), ("paragraph", "b")]),
        ("<h2>T <a class=headerlink>¶</a></h2>", [("heading", "T")]),
        ("<h2><span>a</span><div>b</div></h2>", [("heading", "a"), ("heading", "b")]),
        ("<pre> a\n  b </pre>", [("code", " a\n  b")]),
        ("<pre>a<br>b</pre>", [("code", "a\nb")]),
        ("<blockquote><p>q</p></blockquote>", [("quote", "q")]),
        ("<figure><pre>x</pre><figcaption>c</figcaption></figure>", [("code", "x"), ("caption", "c")]),
        ("<p>x <math><mi>y</mi></math> z</p>", [("paragraph", "x y z")]),
        (
            "<p>x <math><annotation encoding='application/x-tex'>{\\displaystyle y}</annotation></math></p>",
            [("paragraph", "x $y$")],
        ),
        ("<p><script type='math/tex'>a^2</script></p>", [("paragraph", "$a^2$")]),
        ("<p>2<sup>32</sup> and <a href=x>y</a><sup><a href=#1>[1]</a></sup>", [("paragraph", "2^32 and y [1]")]),
        ("<p>ok <img class=emoji alt='😊' src=e.png></p>", [("paragraph", "ok 😊")]),
        ("<p>a<span class=sr-only> hidden</span><span hidden>x</span></p>", [("paragraph", "a")]),
        ("<svg><title>t</title><text>x</text></svg><iframe>y</iframe><p>z", [("paragraph", "z")]),
        ("<noscript>No script <img src=a.jpg></noscript>", [("other", "No script"), ("image", "d/a.jpg")]),
        (
            "<p>text<noscript><img src=a.jpg></noscript>more",
            [("paragraph", "text"), ("image", "d/a.jpg"), ("paragraph", "more")],
        ),
        ("<img src=lazy.gif data-src=a.jpg><noscript><img src=a2.jpg></noscript>", [("image", "d/a.jpg")]),
        ("<noscript><img src=a.jpg></noscript><img src=spacer.gif data-src=a.jpg>", [("image", "d/a.jpg")]),
        ("<img src=a.jpg><p>x</p><img src='a.jpg#y'>", [("image", "d/a.jpg"), ("paragraph", "x")]),
        ("<amp-img src=a.jpg></amp-img>", [("image", "d/a.jpg")]),
        ("<div role=img aria-label=kite style='background:url(b.png)'></div>", [("image", "d/b.png")]),
        ("<div style='background:url(b.png)'>x</div>", [("other", "x")]),
    ],
)
def test_rule(html: str, expected: list[tuple[str, str]]) -> None:
    assert shown(f"<body>{html}") == expected


def test_image_facts() -> None:
    html = (
        "<base href='/x/'><base href='/y/'><figure><a href='big.jpg'>"
        "<img src=i.jpg alt=' a  b ' title=t width=640 height=480></a><figcaption>c <b>d</b></figcaption></figure>"
    )
    image = walked(html).candidates[0].image
    assert image is not None
    assert (image.url, image.link) == ("https://a.example/x/i.jpg", "https://a.example/x/big.jpg")
    assert (image.alt_text, image.caption, image.title) == ("a b", "c d", "t")
    assert (image.declared_width, image.declared_height, image.source) == (640, 480, "src")


def test_a_caption_class_after_an_image_is_its_caption() -> None:
    page = walked(
        "<div><img src=i.jpg><p class=wp-caption-text>Seen from above.</p></div><p class=caption>No image before.</p>"
    )
    assert page.candidates[0].image is not None
    assert page.candidates[0].image.caption == "Seen from above."
    assert [item.text for item in page.candidates[1:]] == ["No image before."]


def test_facts_of_the_page() -> None:
    page = walked(
        "<title> A  title </title><link rel=canonical href=c><meta property=og:image content=o.jpg>"
        "<meta name=description content=d><script type=application/ld+json>{}</script><title>second</title>"
        "<a rel=license href=https://creativecommons.org/licenses/by/4.0/>cc</a>"
    )
    assert (page.title, page.canonical, page.metas["description"], page.json_ld) == ("A title", "c", "d", ["{}"])
    assert page.meta_images == [("o.jpg", "og:image")]
    assert page.licenses == [("https://creativecommons.org/licenses/by/4.0/", True)]


def test_caps_cut_and_say_so() -> None:
    page = walked("<p>x" * 50, max_blocks=10)
    assert (len(page.candidates), page.truncated) == (10, True)
    page = walked("".join(f"<img src={n}.jpg>" for n in range(50)), max_images=5)
    assert (len(page.candidates), page.truncated) == (5, True)


def test_a_page_from_a_file_takes_its_canonical_link_as_base() -> None:
    html = "<link rel=canonical href='https://b.example/x/y'><img src=i.jpg>"
    page = walk.walk(html.encode(), "file:///tmp/p.html", ExtractConfig())
    assert [item.image.url for item in page.candidates if item.image] == ["https://b.example/x/i.jpg"]
    assert walked(html).candidates[0].image.url == "https://a.example/d/i.jpg"


def test_images_beside_a_page_from_a_file_are_file_uris() -> None:
    html = (
        b"<img src=i.jpg><img src='file:///etc/x.png'><img src='//b.example/j.jpg'><a href=f.html><img src=/k.jpg></a>"
    )
    page = walk.walk(html, "file:///tmp/p.html", ExtractConfig())
    assert [item.image.url for item in page.candidates if item.image] == ["file:///tmp/i.jpg", "file:///k.jpg"]
    assert [item.image for item in walked("<img src='file:///tmp/i.jpg'>").candidates] == []


@pytest.mark.parametrize("title", ["<p class=title><b>Figure 1. A</b></p>{}", "{}<p class=caption>Figure 1. A</p>"])
def test_a_div_of_class_figure_gives_its_title_to_its_image(title: str) -> None:
    picture = "<div class=figure-contents><img src=i.jpg></div>"
    page = walked(f"<p>before</p><div class=figure>{title.format(picture)}</div><p class=title>after</p>")
    assert [item.image.caption if item.image else item.text for item in page.candidates] == [
        "before",
        "Figure 1. A",
        "after",
    ]


def test_a_menu_is_one_candidate_a_line_an_entry() -> None:
    html = "<nav><ul><li><a href=x>Home</a></li><li>About <b>us</b></li></ul><img src=i.jpg></nav><p>text</p>"
    page = walked(html)
    assert [(item.kind, item.text, item.link_chars) for item in page.candidates] == [
        ("other", "Home\nAbout us", 4),
        ("paragraph", "text", 0),
    ]
    assert [item.kind for item in walked(html, main_content=False).candidates] == ["list", "list", "image", "paragraph"]


@pytest.mark.parametrize("tag", ["main", "article", "h1"])
def test_a_menu_left_open_ends_where_the_page_begins(tag: str) -> None:
    found = shown(f"<nav><a href=x>Home</a><{tag}>Begin<p>one</p><img src=i.jpg>")
    assert [kind for kind, _ in found][2:] == ["paragraph", "image"]
    assert found[0] == ("other", "Home")


def test_facts_of_the_page_are_read_inside_a_footer() -> None:
    page = walked(
        "<footer><a rel=license href=https://creativecommons.org/licenses/by/4.0/>CC</a>"
        "<script type=application/ld+json>{}</script></footer>"
    )
    assert page.licenses == [("https://creativecommons.org/licenses/by/4.0/", True)]
    assert page.json_ld == ["{}"]
