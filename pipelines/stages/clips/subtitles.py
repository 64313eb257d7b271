"""Reads subtitles, WebVTT and SRT, as cues. Files in the wild mix both, so one reader takes either.

A line with an arrow between two times begins a cue; its text follows up to a blank line. Notes, styles, regions and
cue numbers are no text. A cue whose times cannot be read, or that ends before it begins, is left out and counted.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from corpusloom.pipelines.extract.caption_cleaning import clean_caption
from corpusloom.schemas.layout import decode_text

MAX_BYTES = 10_000_000
"""Bytes of a file that are read, at most; those of a long film have 200 kB."""
MAX_LINE = 1_000
"""Characters of a line that are read, at most."""
_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
_MARKUP = re.compile(r"<[^<>]{0,200}>|\{\\[^{}]{0,200}\}")
"""Tags of WebVTT (<v Name>, <c.x>, <00:01.000>), of SRT (<i>, <font ...>) and of SubStation Alpha ({\\an8})."""


@dataclass(frozen=True, slots=True)
class Cue:
    """Text that is shown from `start` to `end`, in milliseconds."""

    start: int
    end: int
    lines: tuple[str, ...]
    """Lines without markup, none of them empty."""


@dataclass(frozen=True, slots=True)
class Subtitles:
    """The cues of a file in its order, and the number of those that were left out."""

    cues: tuple[Cue, ...]
    bad: int = 0


def read_subtitles(data: bytes) -> Subtitles:
    """Return the cues of a file: UTF-8, UTF-16 or UTF-32 with a byte order mark, or else Windows-1252."""
    try:
        text = decode_text(data)
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    cues: list[Cue] = []
    bad = 0
    for timing, lines in _blocks(text):
        times = _TIMING.fullmatch(timing)
        start, end = (_milliseconds(times.groups()[part : part + 4]) for part in (0, 4)) if times else (0, 0)
        shown = tuple(filter(None, (clean_caption(_MARKUP.sub("", line)).text for line in lines)))
        if end <= start:
            bad += 1
        elif shown:
            cues.append(Cue(start, end, shown))
    return Subtitles(tuple(cues), bad)


def _blocks(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (line with the times, lines of text) of each cue."""
    timing, is_cue = "", False
    lines: list[str] = []
    for line in text.replace("\x00", "").splitlines():
        if "-->" in line:
            if is_cue:
                if lines and lines[-1].strip().isdigit():  # the number of this cue, where a blank line is missing
                    lines.pop()
                yield timing, lines
            timing, lines, is_cue = line, [], True
        elif not line.strip():
            if is_cue:
                yield timing, lines
            timing, lines, is_cue = "", [], False
        elif is_cue:
            lines.append(line[:MAX_LINE])
    if is_cue:
        yield timing, lines


def _milliseconds(parts: tuple[str | None, ...]) -> int:
    hours, minutes, seconds, fraction = parts
    whole = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    return whole * 1000 + int((fraction or "0").ljust(3, "0"))
