"""Links of pages, hostile ones included."""

import time

import pytest

from corpusloom.pipelines.net.links import MAX_LINKS, MAX_TAGS, links_of

URL = "http://a.example/dir/page.html"


@pytest.mark.parametrize(
    ("html", "links"),
    [
        (b'<a href="x">', ["http://a.example/dir/x"]),
        (b"<A class=c HREF='/y?a=1&amp;b=2#f'>", ["http://a.example/y?a=1&b=2"]),
        (b"<a href=z>z</a><area href=//b.example/w>", ["http://a.example/dir/z", "http://b.example/w"]),
        (b'<a data-href="no" href="yes">', ["http://a.example/dir/yes"]),
        (b'<base href="/base/"><a href="x">', ["http://a.example/base/x"]),
        (b'<!-- <a href="hidden"> --><a href="#top"><a href="mailto:a@b"><a href="javascript:x()">', []),
        (b'<a href="x"><a href="x#2">', ["http://a.example/dir/x"]),
        (b'<a href="http://[bad/">', []),
        (b'<a\nhref = "x\n y">', ["http://a.example/dir/x y"]),
        (b"<abbr href=x>", []),
    ],
)
def test_each_page_has_its_links(html: bytes, links: list[str]) -> None:
    assert links_of(html, URL) == links


def test_links_of_a_page_are_bounded() -> None:
    assert len(links_of(b"".join(b"<a href=/%d>" % n for n in range(MAX_LINKS + 500)), URL)) == MAX_LINKS


@pytest.mark.parametrize("link", [b"<a href=x>", b"<a href='http://[::1'>", b"<a href='\0'>", b"<a href=>"])
def test_a_link_that_repeats_costs_little(link: bytes) -> None:
    start = time.process_time()
    assert len(links_of(link * (8_000_000 // len(link)) + b"<a href=end>", URL)) <= 1
    assert time.process_time() - start < 2


def test_links_after_many_repeated_ones_are_found() -> None:
    assert links_of(b"<a href=x>" * (MAX_TAGS - 1) + b"<a href=y>" + b"<a href=z>", URL)[1:] == [
        "http://a.example/dir/y"
    ]


@pytest.mark.parametrize("piece", [b"<a ", b"<a href", b'<a "', b"<!--", b"<a href='", b"<base ", b"<a" + b" " * 5000])
def test_hostile_pages_take_linear_time(piece: bytes) -> None:
    start = time.process_time()
    links_of(piece * (2_000_000 // len(piece)), URL)
    assert time.process_time() - start < 3
