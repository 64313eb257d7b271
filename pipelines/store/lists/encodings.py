"""Finds the encoding of a text list, and opens the list as UTF-8, so that every reader splits and decodes one encoding.

A list is UTF-8, or UTF-16 or UTF-32 with a byte order mark, or UTF-16 by its zero bytes, or Windows-1252 if no line
with other characters than ASCII is UTF-8 and all look like a Western language.
"""

import codecs
import io
import re
from collections.abc import Iterator
from typing import IO

from corpusloom.pipelines.store.lists.compression import BLOCK, ByteStream, open_list
from corpusloom.schemas.errors import ConfigError, InputError

UTF_8 = "utf-8"
WESTERN = "cp1252"
MARKS = (
    (codecs.BOM_UTF8, UTF_8),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte order marks with their encodings. UTF-32's come first, because UTF-16's begins one of them."""
SCAN_BYTES = 1 << 28
"""Bytes of a list that are looked at, at most."""
SAMPLE_LINES = 1_000
"""Lines with other characters than ASCII that are looked at, at most."""
FEW = 10
"""Fewer undecodable lines than this are damage; as many are another encoding."""
_UNDECODABLE = "corpusloom.undecodable"
_ACCENTED = "À-ÖØ-öø-þŒœŠšŽžŸƒ"
_LETTER = f"A-Za-z{_ACCENTED}"
_NOT_WESTERN = re.compile(
    rf"[^\x00-\x7f{_ACCENTED}€‚„…†‡ˆ‰‹‘’“”•–—˜™›\xa0-¿×÷]|[{_ACCENTED}]{{3}}|[{_LETTER}][¡-¬®-¶¸-¿×÷][{_LETTER}]"
)
"""Signs that bytes are no Western text: unassigned bytes, three accented letters in a row, a symbol inside a word."""

codecs.register_error(_UNDECODABLE, lambda error: ("\udcff", getattr(error, "end", 0)))


def open_utf8(path: str, encoding: str | None = None) -> IO[bytes]:
    """Open a text list as UTF-8 without its byte order mark.

    Bytes that its encoding does not have become bytes that UTF-8 does not have, so that only their line is lost.
    """
    handle = open_list(path)
    name = checked(encoding) if encoding else find_encoding(path)
    for mark, _ in MARKS:
        if handle.peek(4)[: len(mark)] == mark:  # type: ignore[attr-defined]
            handle.read(len(mark))
            break
    return handle if name == UTF_8 else io.BufferedReader(ByteStream(_transcoded(handle, name), handle), BLOCK)


def checked(encoding: str) -> str:
    """Return the name that Python gives an encoding of text; an unknown one is a ConfigError."""
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=encoding)  # refuses what is no encoding of text, such as hex
        return codecs.lookup(encoding).name
    except LookupError as error:
        raise ConfigError(
            str(error), where="--list-encoding", remedy="use a name such as utf-8 or shift_jis"
        ) from error


def find_encoding(path: str) -> str:
    """Return the encoding of a text list by its bytes; InputError if many lines are of an unknown one."""
    with open_list(path) as handle:
        head = handle.read(4_096)
        for mark, encoding in MARKS:
            if head.startswith(mark):
                return encoding
        return _by_zero_bytes(head) or _by_lines(path, head, handle)


def _by_zero_bytes(head: bytes) -> str | None:
    """Return UTF-16 if every second byte of most characters is zero, as in texts that are mostly ASCII; else None."""
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros = head[first::2].count(0)
        if zeros > 0.4 * len(head) / 2 and zeros > 10 * head[1 - first :: 2].count(0):
            return encoding
    return None


def _by_lines(path: str, head: bytes, rest: IO[bytes]) -> str:
    """Return UTF-8 or Windows-1252 by the lines that are not ASCII. It stops at the first line of UTF-8."""
    strange: list[tuple[int, bytes]] = []
    number, block = 1, head + rest.readline(BLOCK)
    while block and len(strange) < SAMPLE_LINES and rest.tell() < SCAN_BYTES:
        if not block.isascii():
            for at, line in enumerate(block.split(b"\n")):
                if line.isascii():
                    continue
                if _is_utf8(line):
                    return UTF_8
                strange.append((number + at, line))
        number += block.count(b"\n")
        block = rest.read(BLOCK) + rest.readline(BLOCK)
    foreign = [at for at, line in strange if _NOT_WESTERN.search(line.decode(WESTERN, _UNDECODABLE))]
    if len(foreign) > 0.1 * len(strange):
        if len(foreign) < FEW:
            return UTF_8
        raise InputError(f"line {foreign[0]} and others are not UTF-8", where=path,
                         remedy="name the list's encoding: --list-encoding shift_jis, or another")  # fmt: skip
    return WESTERN if strange else UTF_8


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode(UTF_8)
    except UnicodeDecodeError:
        return False
    return True


def _transcoded(handle: IO[bytes], encoding: str) -> Iterator[bytes]:
    """Yield the content of a file of another encoding as UTF-8."""
    decoder = codecs.getincrementaldecoder(encoding)(_UNDECODABLE)
    while data := handle.read(BLOCK):
        yield decoder.decode(data).encode(UTF_8, "surrogatepass")
    yield decoder.decode(b"", final=True).encode(UTF_8, "surrogatepass")
