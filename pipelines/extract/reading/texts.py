"""Cleans the text of a page: NFC, single spaces, no control characters, surrogates or zero-width characters."""

import re
import unicodedata

BREAK = "\x00"
"""Placeholder of a `br` inside the current run; it cannot occur in the source, from which NULs are removed."""

RAISED = {"sup": "\x01", "sub": "\x02"}
"""Placeholders of the start of a superscript or subscript inside the current run."""

_POWER = re.compile(r"([\d)]|(?<![^\W\d_])[A-Za-zµ]{1,2})\x01((?:[-+−–]?\d)|[ijkmnpqxy](?![^\W_]))")
"""A power: after a digit, a bracket, or a symbol of one or two letters. Ordinals ("1st") and note marks are none."""
_INDEX = re.compile(r"(?<=\d)\x02(?=\d)")
_DROPPED = re.compile(
    "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\xad\\u200b\\u2060\\ufeff\\ud800-\\udfff\\ufffe\\uffff]"
)
_LINE_END = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")


def inline(raw: str) -> str:
    """Collapse the white space of a run of text; a BREAK becomes one new line."""
    if BREAK not in raw:
        return _line(raw)
    return "\n".join(line for part in raw.split(BREAK) if (line := _line(part)))


def _line(raw: str) -> str:
    text = " ".join(raw.split())
    if text.isascii() and text.isprintable():
        return text
    return " ".join(_clean(text).split())


def preformatted(raw: str) -> str:
    """Return the text of a `pre` with its white space, without trailing blanks and empty lines at both ends."""
    text = _LINE_END.sub("\n", raw.replace(BREAK, "\n"))
    lines = [line.rstrip() for line in _clean(text).split("\n")]
    while lines and not lines[0]:
        del lines[0]
    while lines and not lines[-1]:
        del lines[-1]
    return "\n".join(lines)


def _clean(text: str) -> str:
    if "\x01" in text or "\x02" in text:
        text = _INDEX.sub("_", _POWER.sub(r"\1^\2", text))  # otherwise adjacent digits would become one number
    kept = _DROPPED.sub("", text)
    return kept if kept.isascii() else unicodedata.normalize("NFC", kept)
