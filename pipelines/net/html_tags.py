"""Finds tags and attributes in raw HTML by regular expressions in linear time, so that no page can stall a fetch.

A tag ends at the next `<` or `>` or after 4 KiB, so every byte is scanned as part of at most one tag.
"""

import html
import re
from collections.abc import Iterator

MAX_VALUE = 8_192
"""Bytes of one attribute value, at most; the rest is ignored."""
_HIDDEN = re.compile(rb"<(?:(!--)|(script|style|textarea)(?=[\s/>]))", re.I)
_ENDS = {b"": b"-->", b"script": b"</script", b"style": b"</style", b"textarea": b"</textarea"}


def tag_pattern(names: str) -> re.Pattern[bytes]:
    """Return a pattern of the tags with these names (`a|area`); its first group is their attributes."""
    return re.compile(rb"<(?:%s)[\s/]([^<>]{0,4096})" % names.encode(), re.I)


def attribute_pattern(names: str) -> re.Pattern[bytes]:
    """Return a pattern of an attribute with one of these names, for `value_of`."""
    return re.compile(
        rb"""(?<![\w-])(?:%s)\s{0,9}=\s{0,9}(?:"([^"]*)"?|'([^']*)'?|([^\s>"']+))""" % names.encode(), re.I
    )


def value_of(pattern: re.Pattern[bytes], attributes: bytes) -> str | None:
    """Return the value of the first attribute that matches, without entities and outer blanks; None without one."""
    match = pattern.search(attributes)
    if match is None:
        return None
    raw = match[1] or match[2] or match[3] or b""
    return html.unescape(raw[:MAX_VALUE].decode("utf-8", "replace")).strip()


def without_hidden(body: bytes) -> bytes:
    """Return a page without comments, scripts, styles and text fields, in which a tag is no element of the page.

    One that is not closed extends to the end of the page.
    """
    return b"".join(_visible(body))


def _visible(body: bytes) -> Iterator[bytes]:
    lower, place = body.lower(), 0
    while (hidden := _HIDDEN.search(lower, place)) is not None:
        yield body[place : hidden.start()]
        is_comment = hidden[1] is not None
        place = lower.find(_ENDS[hidden[2] or b""], hidden.start() + 2)  # `<!-->` is a whole comment
        if place < 0:
            return
        place += 3 if is_comment else 0
    yield body[place:]
