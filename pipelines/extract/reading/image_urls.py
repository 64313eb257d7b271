"""Chooses one URL per image element, from srcset, lazy-loading attributes and src; drops placeholders.

The order of preference is that of the HTML standard (4.8.4.3), extended by the attributes of lazy loaders; see
`choose`. Nothing is fetched here.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from corpusloom.pipelines.extract.reading import lazy_attributes
from corpusloom.schemas.addresses import resolve

LARGEST_WIDTH = 2048
"""Pixels; the widest candidate of a srcset that is at most this wide is preferred."""

MAX_URL = 4096
"""Characters of a URL, at most; longer ones are ignored."""

_TRACKING_SIDE = 3
_DECODABLE = re.compile(r"image/(jpe?g|png|webp|gif|avif|apng|bmp|x-icon)", re.IGNORECASE)
_FILE_END = r"\.(?:gif|png|svg|jpe?g|webp)$"
_BLANK = r"(?:pixel|transparent|transp|clear|loading|loader|empty|dot|grey|gray|trans)"
_FILLER = r"(?:image|img|bg|\d+(?:x\d+)?(?:px)?)"
_PLACEHOLDER = re.compile(
    # Words that occur only in names of placeholders may be part of a name. Words that also occur in names of pictures
    # must make up the whole name: "gray-1x1.png" is a placeholder, "rgb-to-gray.png" is not.
    rf"(?:^|[/_.-])(?:blank|spacer|placeholder|lazy|lazyload|1x1)(?:[_.-][\w-]{{0,12}})?{_FILE_END}"
    rf"|(?:^|/)(?:{_FILLER}[_.-])*{_BLANK}(?:[_.-](?:{_BLANK}|{_FILLER}))*{_FILE_END}",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d+)?(?:/[!$-;=?-\[\]_a-z~%]*)?$")
"""An absolute ASCII URL that needs no resolving, as most do not."""
_ROOTED = re.compile(r"/(?!/)[$-:=@-\[\]_a-z~%&?]*(?<![?&])$")
"""A path from the root of the base's host that needs no resolving."""
_SPACE = " \t\n\f\r"
_SRCSET_URL = re.compile(r"[ \t\n\f\r,]*+([^ \t\n\f\r]+)")
_SRCSET_DESCRIPTORS = re.compile(r"[^,(]*(?=,|$)")
_DESCRIPTOR = re.compile(r"^(\d+(?:\.\d+)?)([wx])$")
_SIZE = re.compile(r"^\s*(\d{1,6})(?:\.\d+)?\s*(px)?\s*;?\s*$")
_STYLE_URL = re.compile(r"background(?:-image)?\s*:[^;]{0,200}?url\(\s*[\"']?([^\"')]+)", re.IGNORECASE)
_STYLE_SIDE = {
    side: re.compile(rf"(?:^|[;\s]){side}\s*:\s*(\d{{1,6}})(?:\.\d+)?px", re.IGNORECASE) for side in ("width", "height")
}


@dataclass(frozen=True, slots=True)
class Choice:
    """The URL chosen for an image element, and the attribute or element that it came from."""

    url: str
    source: str


@dataclass(frozen=True, slots=True)
class NoImage:
    """The reason why an image element is not an image of the page: placeholder, data_uri, tracking_pixel, no_url ..."""

    reason: str


def parse_srcset(value: str) -> list[tuple[str, float, str]]:
    """Return (URL, number, "w" or "x") for each candidate of a srcset; one without a descriptor is 1x.

    The splitting follows the HTML standard's "parse a srcset attribute": URLs may hold commas, so only white space
    and trailing commas end one. Candidates with an unknown descriptor are left out.
    """
    found: list[tuple[str, float, str]] = []
    at = 0
    while match := _SRCSET_URL.match(value, at):
        url, at = match.group(1), match.end()
        if url.endswith(","):
            found.append((url.rstrip(","), 1.0, "x"))
            continue
        plain = _SRCSET_DESCRIPTORS.match(value, at)
        descriptors, at = (plain.group().split(), plain.end() + 1) if plain else _descriptors(value, at)
        candidate = _candidate(url, descriptors)
        if candidate:
            found.append(candidate)
    return found


def _descriptors(value: str, at: int) -> tuple[list[str], int]:
    """Return the descriptors from `at` to the comma that ends the candidate (commas in parentheses do not)."""
    start, depth, end = at, 0, len(value)
    while at < end:
        character = value[at]
        if character == "(":
            depth += 1
        elif character == ")" and depth:
            depth -= 1
        elif character == "," and not depth:
            break
        at += 1
    return value[start:at].split(), at + 1


def _candidate(url: str, descriptors: Sequence[str]) -> tuple[str, float, str] | None:
    if not descriptors:
        return url, 1.0, "x"
    for descriptor in descriptors:
        match = _DESCRIPTOR.match(descriptor)
        if match:
            return url, float(match.group(1)[:12]), match.group(2)
    return None


def best_of_srcset(value: str) -> str | None:
    """Return the widest candidate up to LARGEST_WIDTH, else the narrowest; if none has a width, the highest x."""
    plain = _widest(value)
    if plain is not None and not _is_placeholder(plain):
        return plain
    candidates = [item for item in parse_srcset(value) if not _is_placeholder(item[0])]
    wide = [(number, url) for url, number, unit in candidates if unit == "w"]
    if wide:
        fitting = [item for item in wide if item[0] <= LARGEST_WIDTH]
        return (max(fitting, key=_number) if fitting else min(wide, key=_number))[1]
    dense = [(number, url) for url, number, _unit in candidates]
    return max(dense, key=_number)[1] if dense else None


def _widest(value: str) -> str | None:
    """Return the best candidate of a srcset of the usual form "URL 300w, URL 600w"; None for other forms."""
    parts = value.split()
    urls, widths = parts[::2], parts[1::2]
    if len(urls) != len(widths) or not widths or any(url[0] == "," or url[-1] == "," for url in urls):
        return None
    widths[-1] += "" if widths[-1][-1] == "," else ","
    if not all(width.isascii() and width[:-2].isdigit() and width[-2:] == "w," for width in widths):
        return None
    numbers = [int(width[:12].rstrip("w,")) for width in widths]
    best = max((number for number in numbers if number <= LARGEST_WIDTH), default=min(numbers))
    return urls[numbers.index(best)]


def _number(item: tuple[float, str]) -> float:
    return item[0]


def choose(attributes: Mapping[str, str], sources: Sequence[tuple[str, str]], base: str) -> Choice | NoImage:
    """Choose one absolute http(s) URL for an `img` element, given its picture's (srcset, type) sources.

    Order: picture sources that can be decoded, srcset, lazy srcset, then lazy attributes when `src` is a placeholder or
    missing, then `src`. Tracking pixels (either declared side of at most 3) and data: URLs are not images of a page.
    """
    width, height = declared_size(attributes)
    if (width is not None and width <= _TRACKING_SIDE) or (height is not None and height <= _TRACKING_SIDE):
        return NoImage("tracking_pixel")
    reason = "no_url"
    for value, source in _proposals(attributes, sources):
        url = absolute(value, base)
        if url is None:
            reason = "data_uri" if value.lstrip()[:5].lower() == "data:" else "bad_url"
        elif _is_placeholder(value):
            reason = "placeholder"
        else:
            return Choice(url, source)
    return NoImage(reason)


def _proposals(attributes: Mapping[str, str], sources: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield (value, source) in order of preference, lazily, since for most images the first is chosen."""
    for srcset, kind in sources:
        if srcset and (not kind or _DECODABLE.match(kind)) and (best := best_of_srcset(srcset)):
            yield best, "picture"
    for value, name in lazy_attributes.named_srcsets(attributes):
        if best := best_of_srcset(value):
            yield best, name
    src = given = attributes.get("src", "").strip()
    if src and not _is_placeholder(src):
        yield src, "src"
        src = ""
    if len(attributes) > 1 or not given:
        for value, name in lazy_attributes.unnamed_srcsets(attributes):
            if best := best_of_srcset(value):
                yield best, name
        yield from lazy_attributes.addresses(attributes, LARGEST_WIDTH)
    if src:
        yield src, "src"


def source_srcsets(attributes: Mapping[str, str]) -> Iterator[str]:
    """Yield the srcsets, plain and lazy, of a `source` element, the most trustworthy first."""
    for value, _name in lazy_attributes.named_srcsets(attributes):
        yield value
    for value, _name in lazy_attributes.unnamed_srcsets(attributes):
        yield value
    for value, _name in lazy_attributes.addresses(attributes, LARGEST_WIDTH):
        yield value


def _is_placeholder(value: str) -> bool:
    """Return whether a URL is a data: URL or a mere fragment, or has the file name of a placeholder."""
    if value[:1] == "#" or value[:5].lower() == "data:":
        return True
    path = value.partition("?")[0].partition("#")[0]
    return bool(_PLACEHOLDER.search(path[path.rfind("/") + 1 :][-80:]))


def absolute(url: str, base: str) -> str | None:
    """Return `url` resolved against `base` (RFC 3986) without its fragment, or None if it is not http or https.

    For a page that was read from a file, relative URLs become file URIs, like the page's own.
    """
    text = url.strip(_SPACE)
    if not text or len(text) > MAX_URL or text[:5].lower() == "data:":
        return None
    if _PLAIN.match(text) and "/." not in text and text.isprintable():
        return text
    if _ROOTED.match(text) and "/." not in text and text.isprintable() and (origin := _origin(base)):
        return origin + text
    if text[:2] == "//" and text[-1] != "?" and "/." not in text and (origin := _origin(base)):
        with_scheme = origin[: origin.index("/")] + text
        if _PLAIN.match(with_scheme) and text.isprintable():
            return with_scheme
    text = text.replace("\n", "").replace("\r", "").replace("\t", "").replace(" ", "%20").replace("\\", "/")
    try:
        joined = resolve(base, text).partition("#")[0]
        parts = urlsplit(joined)
        host = parts.hostname
    except ValueError:
        return None
    local = parts.scheme == "file" and not host and base.startswith("file:") and not text.startswith("file:")
    if not (local or (parts.scheme in ("http", "https") and host)) or not joined.isprintable():
        return None
    return joined if joined.isascii() else _encodable(joined)


@lru_cache(maxsize=256)
def _origin(base: str) -> str | None:
    """Return scheme and host of a base URL that needs no resolving, or None."""
    if not _PLAIN.match(base):
        return None
    scheme, _, rest = base.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def _encodable(url: str) -> str | None:
    try:
        url.encode("utf-8")
    except UnicodeEncodeError:
        return None
    return url


def declared_size(attributes: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Return (width, height) in CSS pixels as the tag declares them: attributes first, then inline style."""
    style = attributes.get("style", "")[:2000]
    return _side(attributes, "width", style), _side(attributes, "height", style)


def _side(attributes: Mapping[str, str], name: str, style: str) -> int | None:
    match = _SIZE.match(attributes.get(name, "")[:32])
    if match is None and style:
        match = _STYLE_SIDE[name].search(style)
    return int(match.group(1)) if match else None


def background_url(style: str) -> str | None:
    """Return the URL of a `background-image` in an inline style, or None."""
    match = _STYLE_URL.search(style[:MAX_URL])
    return match.group(1).strip() if match else None


def background(attributes: Mapping[str, str], base: str) -> str | None:
    """Return the absolute URL of an element's background, in its style or an attribute of a lazy loader, or None."""
    values = [background_url(attributes["style"])] if "style" in attributes else []
    if any(map(lazy_attributes.BACKGROUND.search, attributes)):
        lazy = lazy_attributes.addresses(attributes, LARGEST_WIDTH)
        values += [value for value, name in lazy if lazy_attributes.BACKGROUND.search(name)]
    usable = (absolute(value, base) for value in values if value and not _is_placeholder(value))
    return next(filter(None, usable), None)


_SIZE_SUFFIX = re.compile(r"[-_]?\d{2,4}x\d{2,4}(?=\.\w+$)|@\dx(?=\.\w+$)")


def picture_name(url: str) -> str:
    """Return the name that renditions of one picture share: the last part of the path, lower case, without sizes."""
    path = url.partition("?")[0].partition("#")[0]
    return _SIZE_SUFFIX.sub("", path.rsplit("/", 1)[-1]).lower()
