"""The bundled website: eight hosts of good pages, one host of pages that a corpus must reject, and the exam host.

The pages to reject are link farms, other languages, duplicates, opt-outs, small and broken images, redirects and bombs.
"""

import base64
import gzip
import struct
import zlib
from collections.abc import Callable
from html import escape

import numpy as np

from corpusloom.pipelines.demo import drawing, grammar
from corpusloom.pipelines.demo.resources import Resource, World
from corpusloom.pipelines.demo.styles import STYLES, Shown, shell

GOOD_PAGES = 22
"""Good pages per host."""
PICTURES = 8
"""Pictures per page, on average."""
PAGES_PER_INDEX = 10
EXAM_PAGES = 20
EXAM_PICTURES = EXAM_PAGES * PICTURES
EXAM_SEED = 3_000_000
_GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")

FOREIGN = {
    "de": "Der alte Hafen liegt am Ende der Stadt, und jeden Morgen fahren die Fischer mit ihren Booten hinaus. "
    "Im Sommer kommen viele Besucher, die das Licht auf dem Wasser und die bunten Häuser sehen wollen.",
    "fr": "Le vieux jardin se trouve derrière la maison du boulanger, où les enfants jouent chaque soir après l'école. "
    "Au printemps, les fleurs couvrent les murs et les voisins viennent s'asseoir à l'ombre des arbres.",
    "es": "El mercado abre muy temprano y las vendedoras llevan frutas, pan y flores desde los pueblos cercanos. "
    "Por la tarde la plaza queda vacía y solamente los gatos caminan entre las mesas de madera.",
    "it": "La biblioteca conserva le mappe della valle e i quaderni di una maestra che insegnava ai figli dei marinai. "
    "Ogni inverno qualcuno torna a leggere quelle pagine piene di disegni e di piccole storie.",
    "ja": "古い港は町のはずれにあり、漁師たちは毎朝早く船で海に出ます。夏になると多くの人が色とりどりの家と水の上の光を見に来ます。"
    "夕方には子どもたちが橋のそばで遊び、本屋の主人が店の前に椅子を並べます。",
    "pl": "Stary ogród leży za domem piekarza, gdzie dzieci bawią się każdego wieczoru po szkole. "
    "Wiosną kwiaty pokrywają mury, a sąsiedzi siadają w cieniu drzew i rozmawiają o pogodzie.",
}


def picture_resource(picture: drawing.Picture, extension: str) -> Resource:
    """Return a picture's resource, drawn at its first request."""
    return Resource(
        lambda: drawing.encode(drawing.draw(picture), extension),
        {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}[extension],
        headers=(("ETag", f'"{picture.seed}"'),),
    )


def build_world(
    *, pages: int = GOOD_PAGES, pictures: int = PICTURES, exam_pages: int = EXAM_PAGES, canary: int = 9
) -> World:
    """Return all hosts: `pages` good pages per host with about `pictures` pictures each, bad pages, and exam pages.

    `canary` is a loopback port that no fetch may reach.
    """
    world = World()
    labels = shuffled_labels(pages * (pictures + 1) * (len(STYLES) + 1))
    number = 0
    for host_number, (name, style) in enumerate(STYLES.items()):
        host = f"{name}.localhost"
        _add_furniture(world, host)
        paths = []
        for page in range(pages):
            count = pictures + (page + host_number) % 3 - 1
            chosen = [drawing.make_picture(labels[number + i], number + i) for i in range(count)]
            number += count
            paths.append(_add_good_page(world, host, page, chosen, style, grammar.house_style(page + host_number)))
        _add_indexes(world, host, paths)
    _add_bad_pages(world, canary)
    _add_exam(world, exam_pages, pictures)
    return world


def _add_exam(world: World, pages: int, pictures: int) -> None:
    """Add the exam host, to which no page links: good pages with pictures that no model is trained on."""
    host = "exam.localhost"
    world.add(host, "/robots.txt", Resource(b"User-agent: *\nAllow: /\n", "text/plain"))
    seeds = iter(range(EXAM_SEED, EXAM_SEED + 10_000))
    labels = iter(shuffled_labels(pages * pictures))
    paths = [
        _add_good_page(
            world,
            host,
            page,
            [drawing.make_picture(next(labels), next(seeds)) for _ in range(pictures)],
            STYLES["museum"],
            grammar.house_style(page),
        )
        for page in range(pages)
    ]
    _add_indexes(world, host, paths)
    world.exam_seeds.append(world.seeds.pop())


def shuffled_labels(count: int, seed: int = 2204) -> list[str]:
    """Return `count` class labels in rounds of all classes, each round in a random order.

    So all classes are equally frequent, and no class predicts the next.
    """
    rng = np.random.default_rng(seed)
    rounds = -(-count // len(drawing.classes()))
    return [str(label) for _ in range(rounds) for label in rng.permutation(drawing.classes())][:count]


def _add_good_page(
    world: World,
    host: str,
    page: int,
    pictures: list[drawing.Picture],
    style: Callable[[list[Shown]], str],
    words: str,
) -> str:
    shown = []
    for picture in pictures:
        extension = "png" if picture.seed % 23 == 0 else "webp" if picture.seed % 17 == 0 else "jpg"
        path = f"/pictures/{picture.seed:05d}.{extension}"
        resource = picture_resource(picture, extension)
        world.add(host, path, resource)
        if host.startswith("gallery"):
            world.add(host, f"{path}?w=160", resource)
        texts = grammar.caption(picture, words), grammar.remark(picture)
        shown.append(Shown(path, *texts, picture.width, picture.height))
    seed = pictures[0].seed
    title = grammar.title(seed, host.split(".")[0].capitalize())
    content = (
        f"<p>{escape(grammar.story(seed, 4))}</p>\n{style(shown)}<p>{escape(grammar.story(seed + 500_000, 2))}</p>\n"
    )
    path = f"/{page:03d}/{host.split('.')[0]}-notes.html"
    world.add_page(host, path, shell(host, title, content), "good", tuple(picture.label for picture in pictures))
    return path


def _add_furniture(world: World, host: str) -> None:
    """Add the resources of every host: robots.txt, logo, spacer, decoration, and pages without content."""
    robots = "User-agent: *\nDisallow: /private/\n"
    world.add(host, "/robots.txt", Resource(robots.encode(), "text/plain"))
    world.add(host, "/spacer.gif", Resource(_GIF, "image/gif"))
    world.add(host, "/logo.png", Resource(lambda: _flat(96, 96, (40, 90, 80)), "image/png"))
    decoration = drawing.make_picture("red circle", 9_000_000 + len(world.hosts))
    world.add(host, "/decoration.jpg", picture_resource(decoration, "jpg"))
    for name in ("about", "contact", "terms", "privacy"):
        links = "".join(f'<a href="/{other}.html">{other}</a> ' for other in ("index", "about", "contact"))
        world.add_page(host, f"/{name}.html", shell(host, name, f"<p>{links}</p>"), "boilerplate")


def _flat(width: int, height: int, colour: tuple[int, int, int]) -> bytes:
    return drawing.encode(np.full((height, width, 3), colour, np.uint8), "png")


def _add_indexes(world: World, host: str, paths: list[str]) -> None:
    """Add index pages that link to a host's pages, `PAGES_PER_INDEX` per index, each with a link to the next index."""
    for start in range(0, max(len(paths), 1), PAGES_PER_INDEX):
        number = start // PAGES_PER_INDEX
        rows = "".join(
            f'<li><a href="{path}">Notes {path[1:4]}</a></li>' for path in paths[start : start + PAGES_PER_INDEX]
        )
        following = f'<a href="/index-{number + 1}.html">older</a>' if start + PAGES_PER_INDEX < len(paths) else ""
        content = f"<ul>{rows}</ul>{following}"
        name = "/index.html" if number == 0 else f"/index-{number}.html"
        world.add_page(host, name, shell(host, f"Contents of {host.split('.')[0]}", content), "boilerplate")
        if number == 0:
            world.add(host, "/", Resource(shell(host, "Contents", content).encode()))
    world.seeds.append(f"{host}/index.html")


def _add_bad_pages(world: World, canary: int) -> None:
    """Add the host of all pages that are not good, and its index."""
    host = "attic.localhost"
    _add_furniture(world, host)
    paths: list[str] = []

    def add(path: str, html: str, kind: str) -> None:
        world.add_page(host, path, html, kind)
        paths.append(path)

    for number, (code, text) in enumerate(sorted(FOREIGN.items())):
        picture = _extra(world, host, 9_100_000 + number)
        add(f"/{code}.html", shell(host, code, f"<p>{escape(text * 3)}</p>{picture}"), "language")
    for number in range(5):
        links = " ".join(f'<a href="/farm-{i}.html">cheap offer {i}</a>' for i in range(60))
        add(
            f"/farm-{number}.html",
            shell(host, "Offers", f"<div>{links}</div>{_extra(world, host, 9_200_000 + number)}"),
            "boilerplate",
        )
    _add_duplicates(world, host, add)
    _add_reserved(world, host, add)
    _add_images(world, host, add)
    _add_hostile(world, host, canary, paths)
    rows = "".join(f'<li><a href="{path}">{path}</a></li>' for path in paths)
    world.add_page(host, "/index.html", shell(host, "Attic", f"<ul>{rows}</ul>"), "boilerplate")
    world.add(host, "/", Resource(shell(host, "Attic", f"<ul>{rows}</ul>").encode()))
    world.seeds.append(f"{host}/index.html")


def _extra(world: World, host: str, seed: int) -> str:
    """Add a picture and return its element."""
    labels = drawing.classes()
    picture = drawing.make_picture(labels[seed % len(labels)], seed)
    world.add(host, f"/extra/{seed}.jpg", picture_resource(picture, "jpg"))
    return f'<img src="/extra/{seed}.jpg" alt="{escape(grammar.caption(picture, grammar.house_style(seed)))}">'


def _add_duplicates(world: World, host: str, add: Callable[[str, str, str], None]) -> None:
    content = f"<p>{escape(grammar.story(77, 8))}</p>{_extra(world, host, 9_300_000)}"
    for copy in range(3):
        add(f"/copy-{copy}.html", shell(host, "The same story", content), "duplicate")
    for near in range(3):
        text = f"<p>{escape(grammar.story(78, 12))} {escape(grammar.story(90 + near, 1))}</p>"
        add(
            f"/near-{near}.html",
            shell(host, "Nearly the same", text + _extra(world, host, 9_310_000 + near)),
            "near_duplicate",
        )
    shared = "".join(
        f'<p>{_extra(world, host, 9_320_000 + n).split(" alt=")[0]} alt="our best product photo"></p>'
        for n in range(14)
    )
    add("/products.html", shell(host, "Products", f"<p>{escape(grammar.story(79, 8))}</p>{shared}"), "good")


def _add_reserved(world: World, host: str, add: Callable[[str, str, str], None]) -> None:
    def page(number: int, head: str = "") -> str:
        return shell(
            host,
            "Reserved",
            f"<p>{escape(grammar.story(300 + number, 8))}</p>{_extra(world, host, 9_400_000 + number)}",
            head,
        )

    add("/noai.html", page(0, '<meta name="robots" content="noai, noimageai">'), "noai")
    add("/noimageai.html", page(1, '<meta name="robots" content="noimageai">'), "noai")
    add("/private/hidden.html", page(2), "robots")
    add("/tdm.html", page(3), "noai")
    world.resources[host, "/tdm.html"].headers = (("TDM-Reservation", "1"),)
    add("/header.html", page(4), "noai")
    world.resources[host, "/header.html"].headers = (("X-Robots-Tag", "noai"),)
    element = _extra(world, host, 9_410_000)
    world.resources[host, "/extra/9410000.jpg"].headers = (("X-Robots-Tag", "noai"),)
    add(
        "/reserved-image.html",
        shell(host, "An image that is reserved", f"<p>{escape(grammar.story(305, 8))}</p>{element}"),
        "good",
    )


def _add_images(world: World, host: str, add: Callable[[str, str, str], None]) -> None:
    """Add pages with images that are too small, of one colour, too long, missing, cut, mislabelled, or bombs."""
    made: dict[str, tuple[Callable[[], bytes], str]] = {
        "tiny.png": (lambda: _flat(16, 16, (200, 40, 40)), "image/png"),
        "thin.png": (
            lambda: drawing.encode(drawing.draw(drawing.make_picture("red star", 1))[:100], "png"),
            "image/png",
        ),
        "flat.png": (lambda: _flat(300, 300, (120, 130, 140)), "image/png"),
        "cut.jpg": (
            lambda: drawing.encode(drawing.draw(drawing.make_picture("blue star", 2)), "jpg")[:4000],
            "image/jpeg",
        ),
        "bomb.png": (pixel_bomb, "image/png"),
        "text.jpg": (lambda: b"this is no image at all", "image/jpeg"),
        "picture.html": (
            lambda: drawing.encode(drawing.draw(drawing.make_picture("green star", 3)), "jpg"),
            "text/html",
        ),
        "drawing.svg": (
            lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
            "image/svg+xml",
        ),
    }
    for number, (name, (make, content_type)) in enumerate(made.items()):
        world.add(host, f"/odd/{name}", Resource(make, content_type))
        text = f"<p>{escape(grammar.story(400 + number, 8))}</p>"
        element = f'<img src="/odd/{name}" alt="an odd image called {name.split(".")[0]} here">'
        add(f"/odd-{number}.html", shell(host, f"Odd image {number}", text + element), "small_images")
    gone = f'<p>{escape(grammar.story(450, 8))}</p><img src="/odd/gone.jpg" alt="a picture that is gone now">'
    add("/gone.html", shell(host, "Gone", gone), "small_images")


def _add_hostile(world: World, host: str, canary: int, paths: list[str]) -> None:
    """Add redirects, bombs, other charsets, compressed and empty responses."""
    again = _extra(world, host, 9_100_000 + sorted(FOREIGN).index("ja"))
    hostile = {
        "/moved": Resource(b"", status=301, headers=(("Location", "/copy-0.html"),)),
        "/loop": Resource(b"", status=302, headers=(("Location", "/loop"),)),
        "/inside": Resource(b"", status=302, headers=(("Location", f"http://127.0.0.1:{canary}/secret"),)),
        "/metadata": Resource(b"", status=302, headers=(("Location", "http://169.254.169.254/latest/meta-data/"),)),
        "/nested.html": Resource(lambda: b"<html><body>" + b"<div>" * 100_000 + b"deep" + b"</div>" * 100_000),
        "/empty.html": Resource(b""),
        "/missing.html": Resource(b"<h1>Not found</h1>", status=404),
        "/soft.html": Resource(shell(host, "Oops", "<p>The page you are looking for was not found.</p>").encode()),
        "/broken.html": Resource(b"<h1>Internal error</h1>", status=500),
        "/latin.html": Resource(_latin, "text/html"),
        "/sjis.html": Resource(lambda: _shift_jis(again), "text/html"),
        "/zipped.html": Resource(lambda: gzip.compress(_latin(), mtime=0), "text/html; charset=windows-1252", headers=(("Content-Encoding", "gzip"),)),
        "/data.json": Resource(b'{"a": 1}', "application/json"),
    }  # fmt: skip
    for path, resource in hostile.items():
        world.add(host, path, resource)
        paths.append(path)


def _latin() -> bytes:
    text = f"<p>Café, naïve and £5 were written here. {escape(grammar.story(500, 8))}</p>"
    page = shell("attic.localhost", "Café", text).replace('<meta charset="utf-8">', '<meta charset="windows-1252">')
    return page.encode("windows-1252")


def _shift_jis(picture: str) -> bytes:
    text = f"<p>{escape(FOREIGN['ja'] * 3)}</p>{picture}"
    page = shell("attic.localhost", "日本語", text).replace('<meta charset="utf-8">', '<meta charset="shift_jis">')
    return page.encode("shift_jis")


def pixel_bomb(side: int = 30_000) -> bytes:
    """Return a PNG of some kilobytes whose header declares gigabytes of pixels; its pixel data are truncated."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    packer = zlib.compressobj(9)
    row = b"\0" * (side * 3 + 1)
    data = b"".join(packer.compress(row) for _ in range(side // 100)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
