"""The one function that prints: it escapes what would steer a terminal, since URLs and texts come from strangers.

Escaped are control characters (a title or colour sequence begins with one), bidirectional controls (they reorder what
a reader sees), line separators and lone surrogates. The escape is that of JSON, so escaped JSON has the same value.
"""

import re
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

_UNSAFE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSAFE_IN_LINES = re.compile(_UNSAFE.pattern.replace("\x0a-", "\x0b-"))


def printable(text: str, *, lines: bool = False) -> str:
    r"""Return a text with each unsafe character as \uXXXX, and a line feed too unless `lines`; a tab is kept."""
    unsafe = _UNSAFE_IN_LINES if lines else _UNSAFE
    return unsafe.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def show(text: str = "", *, lines: bool = False, err: bool = False) -> None:
    """Print a line, or with `lines` several, on standard output or, with `err`, on standard error."""
    stream = sys.stderr if err else sys.stdout
    stream.write(f"{printable(text, lines=lines)}\n")


class SafeConsole(Console):
    """A console of rich that escapes the texts of lines and table cells in the same way."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Return an escaped text as rich renders it."""
        return super().render_str(printable(text, lines=True), **options)
