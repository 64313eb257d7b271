"""Test cases of both walks by topic: HTML, and the runs that it must give."""

from typing import Protocol

from corpusloom.pipelines.extract.reading.types import ExtractConfig, RawPage

URL = "https://a.example/d/p.html"


class Walk(Protocol):
    """One of the two walks."""

    def __call__(self, source: bytes, url: str, config: ExtractConfig) -> RawPage: ...


Case = tuple[str, list[tuple[str, str]]]
"""(HTML, its runs: kind, and text or the end of an image's URL)."""
INLINE: list[Case] = [
    ("<p>a<b>b</b>c <i> d</i></p>", [("paragraph", "abc d")]),
    ("a<br>b<br><br>c", [("other", "a\nb"), ("other", "c")]),
    ("<p>a<br> <br>b", [("paragraph", "a"), ("paragraph", "b")]),
    ("<p>a<hr>b", [("paragraph", "a"), ("other", "b")]),
    ("<a href=x>one</a><a href=y>two</a>", [("other", "one two")]),
    ("<h2>T <a class=headerlink>¶</a></h2>", [("heading", "T")]),
    ("<pre>a<br>b</pre>", [("code", "a\nb")]),
    ("<p>2<sup>32</sup> and <a href=x>y</a><sup><a href=#1>[1]</a></sup>", [("paragraph", "2^32 and y [1]")]),
    ("<p>a<span class=sr-only> hidden</span><span hidden>x</span></p>", [("paragraph", "a")]),
    ("<p>a<span style='display: none'>x</span><b style='color:red'>b</b></p>", [("paragraph", "ab")]),
    ("<svg><title>t</title><text>x</text></svg><iframe>y</iframe><p>z", [("paragraph", "z")]),
    ("<p>one<o:p> two</o:p><wbr> three</p>", [("paragraph", "one two three")]),
]
FORMULAS: list[Case] = [
    ("<p>x <math><mi>y</mi></math> z</p>", [("paragraph", "x y z")]),
    (
        "<p>x <math><annotation encoding='application/x-tex'>{\\displaystyle y}</annotation></math></p>",
        [("paragraph", "x $y$")],
    ),
    (
        "<p><math display=block><mi>y</mi><annotation encoding=application/x-TeX>y</annotation></math></p>",
        [("paragraph", "$$y$$")],
    ),
    (
        "<p>x <math><mi>y</mi><annotation encoding=MathML-Content>no</annotation><mo>+</mo></math></p>",
        [("paragraph", "x y+")],
    ),
    ("<p><math><mi>y</mi><script>no</script></math></p>", [("paragraph", "y")]),
    ("<p><script type='math/tex'>a^2</script></p>", [("paragraph", "$a^2$")]),
    ("<p><script type='math/tex; mode=display'>a^2</script></p>", [("paragraph", "$$a^2$$")]),
]
STRUCTURES: list[Case] = [
    ("<div>loose<p>para</p>tail</div>", [("other", "loose"), ("paragraph", "para"), ("other", "tail")]),
    ("<h2><span>a</span><div>b</div></h2>", [("heading", "a"), ("heading", "b")]),
    ("<pre> a\n  b </pre>", [("code", " a\n  b")]),
    ("<blockquote><p>q</p></blockquote>", [("quote", "q")]),
    ("<table><caption>c<tr><td>x", [("caption", "c"), ("table", "x")]),
    ("<li>alone", [("list", "alone")]),
    ("<figure><pre>x</pre><figcaption>c</figcaption></figure>", [("code", "x"), ("caption", "c")]),
    ("<noscript>No script <img src=a.jpg></noscript>", [("other", "No script"), ("image", "d/a.jpg")]),
    (
        "<p>text<noscript><img src=a.jpg></noscript>more",
        [("paragraph", "text"), ("image", "d/a.jpg"), ("paragraph", "more")],
    ),
    ("<template><p>no</template><p>yes", [("paragraph", "yes")]),
    ("<x-y><template shadowrootmode=open><p>shown</template></x-y>", [("paragraph", "shown")]),
    ("<nav><a href=x>Home</a><ul><li>About<li>Us</ul></nav>", [("other", "Home\nAbout\nUs")]),
    ("<nav>Menu<h1>Title</h1><p>text", [("other", "Menu"), ("heading", "Title"), ("paragraph", "text")]),
]
IMAGE_ELEMENTS: list[Case] = [
    ("<p>a<img src=i.jpg>b</p>", [("paragraph", "a"), ("image", "d/i.jpg"), ("paragraph", "b")]),
    ("<p>ok <img class=emoji alt='😊' src=e.png></p>", [("paragraph", "ok 😊")]),
    ("<p>x <img class=mwe-math-fallback-image-inline alt='a+b' src=e.png></p>", [("paragraph", "x $a+b$")]),
    (
        "<p><span><math><annotation encoding=application/x-tex>a</annotation></math></span>"
        "<img class=mwe-math-fallback-image-inline alt='a' src=e.png></p>",
        [("paragraph", "$a$")],
    ),
    ("<img src=lazy.gif data-src=a.jpg><noscript><img src=a2.jpg></noscript>", [("image", "d/a.jpg")]),
    ("<img src=lazy.gif alt=x.jpg data-my-loader=/a.jpg>", [("image", "a.jpg")]),
    ("<picture><source data-my-set='/a.webp 9w' type=image/webp><img src=lazy.gif></picture>", [("image", "a.webp")]),
    ("<picture><source srcset=data:, data-x=/a.webp><img src=b.jpg></picture>", [("image", "a.webp")]),
    ("<noscript><img src=a.jpg></noscript><img src=spacer.gif data-src=a.jpg>", [("image", "d/a.jpg")]),
    ("<img src=a.jpg><p>x</p><img src='a.jpg#y'>", [("image", "d/a.jpg"), ("paragraph", "x")]),
    ("<amp-img src=a.jpg></amp-img>", [("image", "d/a.jpg")]),
    ("<picture><source srcset=b.webp type=image/webp><img src=a.jpg></picture>", [("image", "d/b.webp")]),
    ("<picture><source srcset=b.webp></picture><img src=a.jpg>", [("image", "d/a.jpg")]),
    ("<div role=img aria-label=kite style='background:url(b.png)'></div>", [("image", "d/b.png")]),
    ("<div role=img data-bg='url(b.png)' style='background:url(blank.gif)'></div>", [("image", "d/b.png")]),
    ("<div role=img data-background-image='/d/b.png'></div>", [("image", "d/b.png")]),
    ("<div role=img data-link-image='/d/b.png' data-src='/d/c.png'>x</div>", [("other", "x")]),
    ("<div style='background:url(b.png)'>x</div>", [("other", "x")]),
]
FACTS = (
    "<title> A  title </title><link rel=canonical href=c><meta property=og:image content=o.jpg>"
    "<meta name=description content=d><meta name=description content=e><script type=application/ld+json>{}</script>"
    "<title>second</title><a rel=license href=https://creativecommons.org/licenses/by/4.0/>cc</a>"
    "<link rel=image_src href=s.jpg><link rel=license href=l><base href=/x/><base href=/y/><img src=i.jpg>"
)


def walked(walk: Walk, html: str, url: str = URL, **config: object) -> RawPage:
    """Walk a page."""
    return walk(html.encode(), url, ExtractConfig(**config))  # type: ignore[arg-type]


def shown(walk: Walk, html: str) -> list[tuple[str, str]]:
    """Return the kind of each run with its text, or the end of its image's URL."""
    runs = walked(walk, f"<body>{html}").runs
    return [(run.kind, run.text or (run.image.url[18:] if run.image else "")) for run in runs]


def check_facts(walk: Walk) -> None:
    """Check the facts of a page that a walk reads."""
    page = walked(walk, FACTS)
    assert (page.title, page.canonical, page.metas, page.json_ld) == ("A title", "c", {"description": "d"}, ["{}"])
    assert page.meta_images == [("o.jpg", "og:image"), ("s.jpg", "image_src")]
    assert page.licenses == [("https://creativecommons.org/licenses/by/4.0/", True), ("l", True)]
    assert page.base == "https://a.example/x/"
    assert [run.image.url for run in page.runs if run.image] == ["https://a.example/x/i.jpg"]
    assert walked(walk, "<frameset><frame src=a></frameset>").frameset
    many = "<script type=application/ld+json>1</script>" * 25 + "".join(
        f"<meta name=n{n} content=x>" for n in range(250)
    )
    page = walked(walk, many)
    assert (len(page.json_ld), len(page.metas)) == (20, 201)
