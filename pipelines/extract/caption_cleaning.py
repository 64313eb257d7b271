"""Cleans the text of a pair once: HTML tags and entities, control characters and white space.

Lists and alt texts hold text that was HTML, often escaped more than once (`&amp;amp;`). Only what is certainly markup
goes: character references that end in `;`, comments, and tags whose names HTML has. `a < b`, `<3` and `AT&T` stay.
"""

import html
import re
from dataclasses import dataclass
from html.entities import html5

MAX_ROUNDS = 3
"""Times that a text is unescaped, at most."""
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
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\ud800-\udfff]"
)
"""Control characters, invisible ones (soft hyphens, spaces without width, marks of direction, byte order marks) and
what is no character. Joiners (U+200C, U+200D) stay, since they change letters and emoji; so do blanks of str.split."""


@dataclass(frozen=True, slots=True)
class CleanCaption:
    """A text after cleaning, and what was removed."""

    text: str
    removed: tuple[str, ...] = ()
    """Those of html_tags, html_entities and control_characters that the text had."""


def clean_caption(text: str) -> CleanCaption:
    """Return a text without markup and control characters, its words separated by one blank."""
    removed = []
    plain = text
    for _ in range(MAX_ROUNDS if "&" in text else 0):
        plain = _REFERENCE.sub(_unescape, before := plain)
        if plain == before:
            break
    if plain != text:
        removed.append("html_entities")
    if "<" in plain:
        bare = _INLINE_TAG.sub("", _BLOCK_TAG.sub(" ", _shown(plain)))
        if bare != plain:
            removed.append("html_tags")
        plain = bare
    visible = _CONTROL.sub("", plain)
    if visible != plain:
        removed.append("control_characters")
    return CleanCaption(" ".join(visible.split()), tuple(sorted(removed)))


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
