"""Repairs mojibake: UTF-8 that was decoded by another encoding, such as `cafÃ©` for `café`.

ftfy decides and repairs: it changes a text only if its characters are improbable as they stand and a chain of encodings
explains them. Its other changes (quotes, widths, composition) are not made. Most texts are not given to it, since no
characters of theirs have the shape of a UTF-8 sequence: a leading byte and the continuation bytes that it announces.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

ENCODINGS = (
    "latin_1",
    "cp1252",
    "cp1251",
    "cp1250",
    "cp1253",
    "cp1254",
    "cp1257",
    "iso8859_2",
    "mac_roman",
    "cp437",
)
"""Encodings by which ftfy explains mojibake."""
_LOST = "\x1a\ufffd"
"""Characters that stand for a byte without a character."""


def _characters(values: Iterable[int], encodings: Iterable[str] = ENCODINGS) -> str:
    """Return the inside of a character class: what bytes are in some encodings, of undefined bytes Latin-1's."""
    found = {bytes((value,)).decode(encoding, "ignore") or chr(value) for value in values for encoding in encodings}
    return "".join(map(re.escape, sorted(found)))


_NEXT = _characters(range(0x80, 0xC0)) + re.escape(_LOST)
_WITH_BLANKS = [name for name in ENCODINGS if name != "mac_roman"]
"""Encodings in which ftfy takes a blank for a byte A0; it would be wrong after a dash or quote of Mac Roman."""
_SHAPE = re.compile(
    f"[\x80-\x9f]|[{_characters(range(0xC2, 0xE0))}][{_NEXT}]|[{_characters(range(0xC2, 0xE0), _WITH_BLANKS)}] "
    f"|[{_characters(range(0xE0, 0xF0))}][{_NEXT} ]{{2}}|[{_characters(range(0xF0, 0xF5))}][{_NEXT} ]{{3}}"
)
"""Characters that could be the bytes of one character in UTF-8, or a control character of Latin-1."""


def repair_encoding(text: str) -> str:
    """Return a text with its encoding repaired; a text that is not broken is returned as it is."""
    return text if text.isascii() or not _SHAPE.search(text) else _repair()(text)


@lru_cache(maxsize=1)
def _repair() -> Callable[[str], str]:
    from ftfy import fix_encoding  # takes 0.1 s, so not at the top

    return fix_encoding
