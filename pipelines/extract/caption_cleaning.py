"""Cleans the text of a pair: HTML tags and entities, mojibake, control characters and white space.

Lists and alt texts hold text that was HTML, often escaped more than once (`&amp;amp;`). Only what is certainly markup
is removed: character references that end in `;`, comments, and tags whose names HTML has. `a < b`, `<3` and `AT&T`
stay. A clean text is not changed by another cleaning.
"""

import html
import re
from dataclasses import dataclass
from html.entities import html5

from corpusloom.pipelines.extract.mojibake import repair_encoding

MAX_CHARACTERS = 10_000
"""Characters of a text, at most; a longer one is no caption."""
MAX_PASSES = 8
"""Passes after which a text that each pass still changes is given up."""
_ESCAPED = re.compile(r"&(?:(?:amp|AMP|#0{0,5}38|#[xX]0{0,4}26);)+")
"""An ampersand that was escaped, however often."""
_REFERENCE = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_INLINE = (
    "a|abbr|acronym|b|bdi|bdo|big|cite|code|del|dfn|em|font|i|ins|kbd|mark|nobr|o:p|q|s|samp|small|span|strike|strong"
)
_INLINE += "|sub|sup|tt|u|var|wbr"
_BLOCK = "article|aside|blockquote|body|br|button|caption|center|dd|div|dl|dt|embed|figcaption|figure|footer|form"
_BLOCK += "|h[1-6]|head|header|hr|html|iframe|img|input|label|li|link|meta|nav|object|ol|option|p|picture|pre|script"
_BLOCK += "|section|select|source|style|svg|table|tbody|td|textarea|tfoot|th|thead|title|tr|ul|video"
_ATTRIBUTES = r"""(?:\s(?:[^<>"']|"[^"<]*"|'[^'<]*')*+|\s[^<>]*)?/?"""
_UNSEEN = re.compile(r"<!--|<(script|style)\b[^<>]*>", re.IGNORECASE)
_ENDS = {name: re.compile(end, re.IGNORECASE) for name, end in
         {"": "-->", "script": r"</script\s*>", "style": r"</style\s*>"}.items()}  # fmt: skip
"""End of what a browser does not show: a comment, a script, a style."""
_INLINE_TAG = re.compile(rf"</?(?:{_INLINE}){_ATTRIBUTES}>", re.IGNORECASE)
_BLOCK_TAG = re.compile(rf"</?(?:{_BLOCK}){_ATTRIBUTES}>", re.IGNORECASE)
_CONTROL = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
"""Control characters, invisible ones (soft hyphens, spaces without width, marks of direction, byte order marks) and
what is no character. Joiners (U+200C, U+200D) stay, since they change letters and emoji; so do blanks of str.split."""
_JOINERS = "\u200c\u200d\ufe0e\ufe0f "


@dataclass(frozen=True, slots=True)
class CleanCaption:
    """A text after cleaning, and what was removed."""

    text: str
    removed: tuple[str, ...] = ()
    """Those of html_tags, html_entities, mojibake and control_characters that the text had."""
    reason: str | None = None
    """Reason of a text of which nothing is left."""


def clean_caption(text: str | None) -> CleanCaption:
    """Return a text without markup, mojibake and control characters, its words separated by one blank.

    The text is empty for a reason: no_caption (none or a blank one was given), caption_too_long, caption_without_text
    (it held markup and control characters alone), caption_of_nested_markup (`MAX_PASSES` passes do not clean it).
    """
    if text is None or not text.strip():
        return CleanCaption("", reason="no_caption")
    if len(text) > MAX_CHARACTERS:
        return CleanCaption("", reason="caption_too_long")
    if text.isascii() and text.isprintable() and "&" not in text and "<" not in text:
        return CleanCaption(" ".join(text.split()))
    removed: set[str] = set()
    for _ in range(MAX_PASSES):
        before, text = text, _clean_once(text, removed)
        if text == before:
            break
    else:
        return CleanCaption("", tuple(sorted(removed)), "caption_of_nested_markup")
    if not text.strip(_JOINERS):
        return CleanCaption("", tuple(sorted(removed)), "caption_without_text")
    return CleanCaption(text, tuple(sorted(removed)))


def _clean_once(text: str, removed: set[str]) -> str:
    """Return a text after one pass, and add what the pass removed to `removed`."""
    plain = _REFERENCE.sub(_unescape, _ESCAPED.sub("&", text)) if "&" in text else text
    if plain != text:
        removed.add("html_entities")
    repaired = repair_encoding(plain)
    if repaired != plain:
        removed.add("mojibake")
    bare = _INLINE_TAG.sub("", _BLOCK_TAG.sub(" ", _shown(repaired))) if "<" in repaired else repaired
    if bare != repaired:
        removed.add("html_tags")
    visible = _CONTROL.sub("", bare)
    if visible != bare:
        removed.add("control_characters")
    return " ".join(visible.split())


def _unescape(match: re.Match[str]) -> str:
    reference = match[0]
    return html.unescape(reference) if reference[1] == "#" else html5.get(reference[1:], reference)


def _shown(text: str) -> str:
    """Return a text with a blank in place of each comment, script and style that ends."""
    parts, at, endless = [], 0, set[str]()
    for opening in _UNSEEN.finditer(text):
        name = (opening[1] or "").lower()
        if opening.start() < at or name in endless:
            continue
        ending = _ENDS[name].search(text, opening.end())
        if ending is None:
            endless.add(name)
            continue
        parts.append(text[at : opening.start()])
        at = ending.end()
    return " ".join((*parts, text[at:]))
