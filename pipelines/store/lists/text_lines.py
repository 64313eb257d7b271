"""Splits a list of text into lines of bounded length."""

import io
import re
from collections.abc import Iterator
from typing import IO, Literal

MAX_LINE = 1 << 20
"""Maximum characters of a line, and maximum characters of the lines of a row."""
_LINE_END = re.compile(rb"\r*\n|\r+")


def read_lines(handle: IO[bytes]) -> Iterator[str | None]:
    """Yield the lines of a file of UTF-8; None for a line that is too long or not UTF-8.

    Lines end with LF or CRLF, or with CR if the first one does.
    """
    first = _LINE_END.search(handle.peek())  # type: ignore[attr-defined]
    end: Literal["\r", "\n"] = "\r" if first is not None and b"\n" not in first[0] else "\n"
    text = io.TextIOWrapper(handle, "utf-8", "surrogateescape", newline=end)
    while line := text.readline(MAX_LINE):
        if len(line) == MAX_LINE and not line.endswith(end):
            while (rest := text.readline(MAX_LINE)) and not rest.endswith(end):
                pass
            yield None
        else:
            yield line if _is_text(line) else None


def _is_text(line: str) -> bool:
    """Return whether all bytes of a line were UTF-8."""
    if line.isascii():
        return True
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True
