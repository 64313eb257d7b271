"""Finds the addresses that lazy loaders keep in attributes of `img` and `source`.

Loaders invent names freely, so the value decides: a srcset, a URL with the ending of an image file (also inside
CSS's url() or JSON), or any URL under a name that speaks of an image. Names otherwise only set the order.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

COMMON = (
    "data-src",
    "data-lazy-src",
    "data-lazy",
    "data-original",
    "data-url",
    "data-hi-res-src",
    "data-full-src",
    "data-image",
    "data-img-src",
    "data-lateloadsrc",
    "data-gt-lazy-src",
    "data-echo",
    "data-original-src",
    "data-fallback-src",
    "data-orig-file",
    "lazy-src",
    "ng-src",
)
"""Attributes that are examined before all others, in this order. Their values need not end like an image file."""
SRCSETS = ("srcset", "data-srcset", "data-lazy-srcset")
"""The srcsets that are examined first, in this order."""
_DEFAULT_WIDTH = 1024
_NAME = re.compile(r"[a-z][a-z0-9_:.-]{1,63}")
_WORD = re.compile(r"[a-z0-9]+")
_NO_ADDRESS = {"alt", "title", "caption", "name", "filename", "label", "credit", "description", "id", "class"}
_NO_ADDRESS |= {
    "meta",
    "style",
    "role",
    "type",
    "href",
    "link",
    "links",
    "permalink",
    "page",
    "target",
    "onerror",
    "onload",
}
"""Words in names of attributes whose values are no address of the image, even if they end like a file's name."""
_POOR = re.compile(r"thumb|small|tiny|low-?res|preview|lqip|blur|placeholder|loading|spinner|fallback|error|hover")
"""Words in names of attributes that hold a smaller, another or a temporary image."""
_SPEAKS_OF_IMAGE = re.compile(r"src|lazy|img|image|orig|photo|picture")
BACKGROUND = re.compile(r"\bbg\b|background")
"""Words in names of attributes that hold the background of an element."""
_FILE = re.compile(r"\.(?:jpe?g|jfif|png|webp|gif|avif|bmp)(?![a-z0-9])", re.IGNORECASE)
_FILE_END = re.compile(r"\.(?:jpe?g|jfif|png|webp|gif|avif|bmp)$", re.IGNORECASE)
_URL_START = re.compile(r"(?:https?:)?//[^/]|/[^/]|\.{1,2}/", re.IGNORECASE)
_SET = re.compile(r"\s*\S+\s+\d+(?:\.\d+)?[wx]\s*(?:,|$)")
_SPACE = re.compile(r"\s")
_CSS_URL = re.compile(r"url\(([^()]+)\)", re.IGNORECASE)
_WIDTH = re.compile(r"[0-9]{1,5}")
_MAX_JSON = 20_000
"""Characters of JSON that are read, at most; longer JSON is ignored."""


def named_srcsets(attributes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (value, name) of the srcset, and of attributes with "srcset" in their name that hold one."""
    names = [name for name in attributes if "srcset" in name]
    if len(names) > 1:
        names.sort(key=_order)
    for name in names:
        value = attributes[name]
        if value and (name in SRCSETS or (_NAME.fullmatch(name) and (_SET.match(value) or _FILE.search(value)))):
            yield value, name


def _order(name: str) -> int:
    return SRCSETS.index(name) if name in SRCSETS else len(SRCSETS)


def unnamed_srcsets(attributes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (value, name) of all other attributes that hold a srcset with a width or density."""
    for name, value in attributes.items():
        if "srcset" not in name and _may_be_address(name) and _SET.match(value):
            yield value, name


def addresses(attributes: Mapping[str, str], largest: int) -> Iterator[tuple[str, str]]:
    """Yield (value, name) of attributes that hold the address of an image, the most trustworthy first.

    `{width}` in a value becomes the largest of `data-widths` that is at most `largest`.
    """
    for name in COMMON:
        if name not in attributes:
            continue
        value = _filled(attributes[name].strip(), attributes, largest)
        if (("/" in value or "." in value) and not _SPACE.search(value)) or _rank(name, value) is not None:
            yield value, name
    found: list[tuple[int, int, str, str]] = []
    for name, value in attributes.items():
        if name not in COMMON and _may_be_address(name):
            value = _filled(value.strip(), attributes, largest)
            if (rank := _rank(name, value)) is not None:
                found.append((rank, len(found), value, name))
    yield from ((value, name) for _, _, value, name in sorted(found))


def _may_be_address(name: str) -> bool:
    """Return whether a value of an attribute of this name, other than `src`, may be the address of an image."""
    return name != "src" and _NAME.fullmatch(name) is not None and _NO_ADDRESS.isdisjoint(_WORD.findall(name))


def _rank(name: str, value: str) -> int | None:
    """Return the place of an address in the order, or None for a value that is no address of an image."""
    starts = _URL_START.match(value) is not None
    poor = _POOR.search(name) is not None
    if _SPACE.search(value):
        return 2 + poor if starts and _FILE_END.search(value) else None
    if _FILE.search(value) and (starts or "/" in value or _SPEAKS_OF_IMAGE.search(name) or BACKGROUND.search(name)):
        return 0 + poor
    return 4 + poor if starts and _SPEAKS_OF_IMAGE.search(name) else None


def _filled(value: str, attributes: Mapping[str, str], largest: int) -> str:
    """Return the address in a value, its width filled in; an empty text for fragments and other templates."""
    if value[:1] in ("[", "{"):
        value = _in_json(value, largest)
    elif style := _CSS_URL.fullmatch(value):
        value = style[1].strip("\"' ")
    if "{width}" in value:
        widths = [int(width) for width in re.findall(r"\d{1,5}", attributes.get("data-widths", "")[:500])]
        fitting = max((width for width in widths if width <= largest), default=_DEFAULT_WIDTH)
        value = value.replace("{width}", str(fitting))
    return "" if "{" in value or value[:1] == "#" else value


def _in_json(value: str, largest: int) -> str:
    """Return the widest address of an image in JSON that is at most `largest` wide, an empty text if there is none.

    Its width is its key, or stands beside it. Without widths the first address counts.
    """
    try:
        waiting: list[tuple[Any, str, int]] = [(json.loads(value[:_MAX_JSON]), "", 0)]
    except (ValueError, RecursionError):
        return ""
    found: list[tuple[float, str]] = []
    while waiting:
        item, name, width = waiting.pop()
        if isinstance(item, dict):
            sides = (item.get(side) for side in ("width", "w"))
            width = next((side for side in sides if isinstance(side, int)), width)
            waiting.extend((value, key, width) for key, value in reversed(item.items()))
        elif isinstance(item, list):
            waiting.extend((value, name, width) for value in reversed(item))
        elif isinstance(item, str) and "/" in item and _FILE.search(item) and not _SPACE.search(item):
            width = int(name) if _WIDTH.fullmatch(name) else width
            rank = -1 if _POOR.search(name.lower()) else width if width <= largest else 1 / width
            found.append((rank, item))
    return max(found, key=lambda pair: pair[0])[1] if found else ""
