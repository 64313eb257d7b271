"""Page styles of the bundled website, one per host; each embeds images by different HTML."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Shown:
    """A picture on a page: its path, caption, a remark on it that some styles print, and its size in pixels."""

    path: str
    caption: str
    remark: str
    width: int
    height: int


Style = Callable[[Sequence[Shown]], str]
"""Shows pictures with captions: in an element for captions beside a remark, else as the paragraph after each picture."""


def figure(pictures: Sequence[Shown]) -> str:
    """Show figures with captions, each followed by the remark."""
    return "".join(
        f'<figure><img src="{p.path}" alt="{escape(p.caption)}" width="{p.width}" height="{p.height}">'
        f"<figcaption>{escape(p.caption)}</figcaption></figure>\n<p>{escape(p.remark)}</p>\n"
        for p in pictures
    )


def lazy(pictures: Sequence[Shown]) -> str:
    """Show lazily loaded images: a spacer in src, the picture in data-src, a fallback in noscript."""
    return "".join(
        f'<div class="entry"><img class="lazy" src="/spacer.gif" data-src="{p.path}" alt="{escape(p.caption)}">'
        f'<noscript><img src="{p.path}" alt="{escape(p.caption)}"></noscript><p>{escape(p.caption)}</p></div>\n'
        for p in pictures
    )


def responsive(pictures: Sequence[Shown]) -> str:
    """Show picture elements with a srcset whose widths all lead to the same image."""
    return "".join(
        f'<picture><source type="image/x-unknown" srcset="/none.xyz"><img srcset="{p.path}?w=160 160w, {p.path} {p.width}w"'
        f' sizes="100vw" src="{p.path}?w=160" alt="{escape(p.caption)}"></picture><p>{escape(p.caption)}</p>\n'
        for p in pictures
    )


def table(pictures: Sequence[Shown]) -> str:
    """Show a layout table: image left, caption right."""
    rows = "".join(
        f'<tr><td><img src="{p.path}" alt="{escape(p.caption)}"></td><td>{escape(p.caption)}</td></tr>\n'
        for p in pictures
    )
    return f'<table class="layout"><tbody>{rows}</tbody></table>'


def sections(pictures: Sequence[Shown]) -> str:
    """Show sections whose image links to its own file."""
    return "".join(
        f'<section><h2>Sheet {number}</h2><a href="{p.path}"><img src="{p.path}" alt="{escape(p.caption)}"></a>'
        f"<p>{escape(p.caption)}</p></section>\n"
        for number, p in enumerate(pictures, 1)
    )


def inline(pictures: Sequence[Shown]) -> str:
    """Show images inside paragraphs, with titles."""
    return "".join(
        f'<p><img src="{p.path}" alt="{escape(p.caption)}" title="{escape(p.caption)}"><br>{escape(p.caption)}</p>\n'
        for p in pictures
    )


def cards(pictures: Sequence[Shown]) -> str:
    """Show a grid of cards below a decorative CSS background."""
    items = "".join(
        f'<li class="card"><img loading="lazy" src="{p.path}" alt="{escape(p.caption)}"><div class="text">'
        f"<p>{escape(p.caption)}</p></div></li>\n"
        for p in pictures
    )
    return f'<div class="hero" style="background-image:url(/decoration.jpg)"></div><ul class="cards">{items}</ul>'


def blog(pictures: Sequence[Shown]) -> str:
    """Show a weblog entry: the remark before each picture."""
    return "".join(
        f'<div class="post-body"><p>{escape(p.remark)}</p><div class="wp-caption"><img src="{p.path}"'
        f' alt="{escape(p.caption)}"><p class="wp-caption-text">{escape(p.caption)}</p></div></div>\n'
        for p in pictures
    )


STYLES: dict[str, Style] = {
    "museum": figure,
    "garden": lazy,
    "gallery": responsive,
    "archive": table,
    "school": sections,
    "harbour": inline,
    "market": cards,
    "journal": blog,
}
"""Host (without .localhost) -> its style."""


def shell(host: str, title: str, content: str, head: str = "") -> str:
    """Return a page: navigation, content, and the host's boilerplate around it."""
    menu = "".join(
        f'<li><a href="/{name}.html">{name}</a></li>' for name in ("index", "about", "contact", "shop", "news")
    )
    banner = '<div class="cookie-banner"><p>We use cookies to improve your visit. Accept all cookies?</p></div>'
    share = '<div class="share">Share this: <a href="/s/1">Facebook</a> <a href="/s/2">Twitter</a> <a href="/s/3">E-mail</a></div>'
    aside = '<aside class="sidebar"><h3>Popular</h3><ul><li><a href="/index.html">Front page</a></li></ul></aside>'
    extra = (banner, share + aside) if host.startswith(("journal", "market")) else ("", "")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>{head}</head>\n<body>{extra[0]}'
        f'<header><a href="/index.html"><img src="/logo.png" alt="logo"></a><nav><ul>{menu}</ul></nav></header>\n'
        f"<main><article><h1>{escape(title)}</h1>\n{content}</article></main>{extra[1]}\n"
        f"<footer><p>All rights reserved. <a href='/terms.html'>Terms of use</a> <a href='/privacy.html'>Privacy policy</a></p>"
        f"</footer></body></html>\n"
    )
