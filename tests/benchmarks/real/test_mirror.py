"""Comparing a scrape with wget's mirror of the same host: agreement, and each kind of difference."""

from pathlib import Path

import pytest

from benchmarks.nginx import free_port, serve
from benchmarks.real.checks import check_image_urls, check_mirror, css_images
from benchmarks.real.mirror import Mirror, compare, mirror, path_of
from corpusloom.pipelines.stages.scrape.scrape_lane import FrontierRow
from tests.programs import require

HOST = "small.localhost"
PAGES = {
    "index.html": '<a href="b.html">b</a><img src="a.png"><a href="gone.html">gone</a><link rel=stylesheet href=s.css>',
    "b.html": '<a href="./">home</a>',
}


@pytest.fixture
def served(tmp_path: Path) -> Mirror:
    require("nginx", "wget")
    root = tmp_path / "site"
    root.mkdir()
    for name, text in {**PAGES, "s.css": "b { background: url('deco.png') }", "unlinked.html": "x"}.items():
        (root / name).write_text(text)
    for name in ("a.png", "deco.png"):
        (root / name).write_bytes(name.encode())
    port = free_port()
    with serve({HOST: root}, port):
        return mirror(HOST, port, tmp_path / "mirror")


def bodies() -> dict[str, bytes]:
    found = {f"http://{HOST}:1/{name}": text.encode() for name, text in PAGES.items()}
    return found | {f"http://{HOST}:1/": PAGES["index.html"].encode(), "http://other.localhost/x.html": b"x"}


def row(path: str) -> FrontierRow:
    return FrontierRow(key=path, url=f"http://{HOST}:1{path}", depth=1, outcome="rejected", reason="http_404")


def test_wget_finds_what_is_linked(served: Mirror) -> None:
    assert served.pages == {"/index.html", "/b.html"}
    assert served.images == {"/a.png", "/deco.png"}
    assert served.missing >= {"/gone.html"}
    assert css_images(served) == {"/deco.png"}
    agreement = compare(HOST, [row("/gone.html")], bodies(), served)
    assert check_mirror(HOST, agreement).held
    assert agreement.pages == 2


def test_each_disagreement_is_found(served: Mirror) -> None:
    missing = bodies()
    del missing[f"http://{HOST}:1/b.html"]
    assert compare(HOST, [], missing, served).lacking == ["/b.html"]
    assert compare(HOST, [], bodies() | {f"http://{HOST}:1/new.html": b""}, served).beyond == ["/new.html"]
    changed = compare(HOST, [], bodies() | {f"http://{HOST}:1/b.html": b"other"}, served)
    assert changed.different == ["/b.html"]
    assert compare(HOST, [row("/b.html")], bodies(), served).alive == ["/b.html"]
    assert "1 different: /b.html" in check_mirror(HOST, changed).found


def test_images_of_pages_and_of_style_sheets_are_told_apart(served: Mirror) -> None:
    assert check_image_urls(HOST, {f"http://{HOST}:1/a.png"}, set(), served).held
    assert not check_image_urls(HOST, set(), set(), served).held
    assert not check_image_urls(HOST, {f"http://{HOST}:1/{n}.png" for n in ("a", "invented")}, set(), served).held


def test_a_folder_is_its_index() -> None:
    assert path_of("http://a.example") == "/index.html"
    assert path_of("http://a.example/b%20c/?x#y") == "/b c/index.html"
