"""Rules that both walks apply to one element: its context, flags, list marker, formula and image facts."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from corpusloom.pipelines.extract.reading import elements as el
from corpusloom.pipelines.extract.reading import image_urls, texts
from corpusloom.schemas.records import ImageRef

MAX_TEXT = 4000
"""Characters of an alt text, title or caption, at most; the rest is cut."""

MAX_JSON_LD = 20
"""JSON-LD scripts per page, at most; the rest is ignored."""

MAX_METAS = 200
"""Names of `meta` elements per page; more are ignored."""

META_IMAGES = frozenset(("og:image", "og:image:url", "og:image:secure_url", "twitter:image", "twitter:image:src"))
_CONTEXTS = {
    **{tag: tag for tag in el.HEADINGS},
    **dict.fromkeys(el.RAW_TEXT, "code"),
    **dict.fromkeys(("li", "dt", "dd"), "list"),
    **dict.fromkeys(("td", "th"), "table"),
    "figcaption": "caption",
    "caption": "table_caption",
}
_FIGURE_TITLE = re.compile(r"(?:^|\s)(?:title|caption)(?:\s|$)")
_CLOSED = frozenset(("code", *el.HEADINGS))
_TEXT_IMAGE = re.compile(
    r"(?:^|[\s_-])(emoji|wp-smiley|emoticon|smiley|mwe-math-fallback-image\w*|latex|tex|math)(?:[\s_-]|$)",
    re.IGNORECASE,
)
_WIKI_TEX = re.compile(r"^\{\\(?:display|text|script)style (.*)\}$", re.DOTALL)


def is_figure(tag: str, classes: str) -> bool:
    """Return whether an element is a `div` of class figure, as DocBook and older Sphinx write figures."""
    return tag == "div" and "figure" in classes and "figure" in classes.split()


def context_of(tag: str, classes: str, around: str, follows_image: bool, in_figure: bool = False) -> str:
    """Return the kind of text in this element: other, paragraph, list, table, quote, code, caption or h1..h6."""
    if in_figure and tag == "p" and classes and _FIGURE_TITLE.search(classes):
        return "caption"
    if follows_image and classes and around not in _CLOSED and el.CAPTION_CLASS.search(classes):
        return "caption"
    return _context(tag, around)


@lru_cache(maxsize=4096)
def _context(tag: str, around: str) -> str:
    if around == "code" or (around in el.HEADINGS and tag not in el.HEADINGS):
        return around
    found = _CONTEXTS.get(tag)
    if found is not None:
        return found
    if tag == "p":
        return "paragraph" if around == "other" else around
    if tag == "blockquote":
        return "quote" if around in ("other", "paragraph") else around
    return "other" if around == "paragraph" else around


def section_words(tag: str, attributes: Mapping[str, str], flags: int) -> tuple[str, int]:
    """Return (class and id, flags) of a block-level element: its parent's flags and its own."""
    get = attributes.get
    classes = get("class", "")
    if classes and len(attributes) == 1 and tag != "dialog":
        return classes, flags | _own_flags(tag, classes)  # most elements have only a class
    flags |= el.TAG_FLAGS.get(tag, 0)
    if "id" in attributes:
        classes = f"{classes} {attributes['id']}"
    if "itemprop" in attributes:
        classes = f"{classes} {attributes['itemprop']}"
    if classes:
        flags |= _word_flags(tag, classes)
    role, style = get("role"), get("style")
    if role:
        flags |= el.ROLE_FLAGS.get(role.lower(), 0)
    if "hidden" in attributes or get("aria-hidden") == "true" or (style and el.style_hides(style)):
        flags |= el.HIDDEN
    if tag == "dialog" and "open" in attributes:
        flags &= ~el.HIDDEN
    return classes, flags


@lru_cache(maxsize=65536)
def _own_flags(tag: str, classes: str) -> int:
    return el.TAG_FLAGS.get(tag, 0) | _word_flags(tag, classes)


def _word_flags(tag: str, classes: str) -> int:
    """Return the flags of class words. A quotation is never a share bar: one of class `twitter-tweet` is a post."""
    flags = el.class_flags(classes[:300])
    return flags & ~el.SOCIAL if tag == "blockquote" else flags


def base_beside_canonical(base: str, canonical: str) -> str:
    """Return the base URL of a page with a canonical link: that link for a page read from a file, else `base`."""
    if base.startswith(("http://", "https://")):
        return base
    return image_urls.absolute(canonical, "") or base


def item_marker(tag: str, ordered: bool, count: int) -> str:
    """Return the marker of a list item's first run; terms have none, definitions are indented."""
    if tag == "dt":
        return ""
    if tag == "dd":
        return "  "
    return f"{count}. " if ordered else "- "


def first_count(start: str) -> int:
    """Return the first item's number minus one, from the `start` attribute of an ordered list."""
    return int(start) - 1 if start.isascii() and start.isdigit() and len(start) < 9 else 0


def stands_for_text(classes: str) -> bool:
    """Return whether an image stands for text: an emoji, a smiley or a rendered formula."""
    return bool(_TEXT_IMAGE.search(classes[:300]))


def math_text(tex: str, text: str, display: bool) -> str:
    """Return a formula as its TeX between dollar signs, or as its plain text when the page has no TeX."""
    tex = texts.inline(tex)
    if not tex:
        return f" {texts.inline(text)} "
    wiki = _WIKI_TEX.match(tex)
    mark = "$$" if display else "$"
    return f"{mark}{wiki.group(1).strip() if wiki else tex}{mark}"


def with_caption(image: ImageRef, caption: str) -> ImageRef:
    """Return the image with this caption."""
    return replace(image, caption=caption[:MAX_TEXT])


def image_ref(url: str, source: str, attributes: Mapping[str, str], link: str, base: str) -> ImageRef:
    """Return an image with the data of its tag: alt text, titles, declared size, target of the link around it."""
    width, height = image_urls.declared_size(attributes)
    return ImageRef(
        url=url,
        alt_text=_fact(attributes.get("alt") or attributes.get("aria-label")),
        title=_fact(attributes.get("title")),
        image_title=_fact(attributes.get("data-image-title")),
        link=image_urls.absolute(link, base) if link else None,
        declared_width=width,
        declared_height=height,
        source=source,
    )


def _fact(value: str | None) -> str | None:
    return (texts.inline(value[:MAX_TEXT]) or None) if value else None
