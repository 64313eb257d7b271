"""Revisit records: which payloads WARCs have shown, and where, so that what points back to one is read as it.

A revisit names its original by record id (WARC-Refers-To), by URL and date, or by its payload's digest alone.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastwarc.warc import ArchiveIterator, WarcRecordType

from corpusloom.schemas import storage
from corpusloom.schemas.errors import LoomError

MAX_ORIGINALS = 2_000_000
"""Names of payloads that are remembered; about 150 bytes each."""


def _names_of(record: Any) -> Iterator[str]:
    """Yield what a revisit may call a record by."""
    headers = record.headers
    yield _id(record.record_id)
    yield f"{headers.get('WARC-Target-URI')} {headers.get('WARC-Date')}"
    yield headers.get("WARC-Payload-Digest") or ""


def _names_in(record: Any) -> Iterator[str]:
    """Yield what a revisit calls its original, the surest name first."""
    headers = record.headers
    yield _id(headers.get("WARC-Refers-To"))
    if headers.get("WARC-Refers-To-Target-URI"):
        yield f"{headers.get('WARC-Refers-To-Target-URI')} {headers.get('WARC-Refers-To-Date')}"
    yield headers.get("WARC-Payload-Digest") or ""


def _id(text: str | None) -> str:
    return (text or "").strip("<>").removeprefix("urn:uuid:")


@dataclass
class Originals:
    """The payloads that revisits may point back to: those of one WARC as it is read, or of several read before."""

    limit: int
    """Twice as many bytes of a record are read."""
    _places: dict[bytes, tuple[str, int]] = field(default_factory=dict)

    def note(self, path: str, record: Any) -> None:
        """Enter a response or resource of a WARC."""
        for name in _names_of(record):
            if name and len(self._places) < MAX_ORIGINALS:
                self._places.setdefault(_key(name), (path, int(record.stream_pos)))

    def resolve(self, record: Any, block: bytes) -> bytes | None:
        """Return the response that a revisit stands for, under its own headers where it has some; None if unknown."""
        found = (self._places.get(_key(name)) for name in _names_in(record) if name)
        place = next((place for place in found if place is not None), None)
        if place is None:
            return None
        original = _read_block(*place, 2 * self.limit)
        if original is None:
            return None
        head, separator, _ = block.partition(b"\r\n\r\n")
        _, gap, body = original.partition(b"\r\n\r\n")
        return head + separator + body if separator and gap and head.startswith(b"HTTP/") else original


def _read_block(path: str, offset: int, limit: int) -> bytes | None:
    """Return the block of the record at an offset; None in a file that was compressed as a whole."""
    with storage.open_input(path) as handle:
        handle.seek(offset)
        try:
            record = next(iter(ArchiveIterator(handle, parse_http=False)), None)
        except (OSError, ValueError):
            return None
        return None if record is None else bytes(record.reader.read(limit))


def _key(name: str) -> bytes:
    return hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=16).digest()


@dataclass
class Across:
    """The originals of all WARCs of an input, looked for when the first revisit needs one."""

    paths: Sequence[str]
    limit: int
    _found: Originals | None = None

    def resolve(self, record: Any, block: bytes) -> bytes | None:
        """Return the response that a revisit stands for, wherever it lies; None if it is nowhere."""
        if self._found is None:
            self._found = Originals(self.limit)
            for path in sorted(self.paths, key=lambda path: (path.rsplit("/", 1)[-1], path)):
                _note_all(path, self._found)
        return self._found.resolve(record, block)


def _note_all(path: str, originals: Originals) -> None:
    """Enter what a WARC holds; one that is cut or no WARC gives what stands before: its own reading says so."""
    kinds = WarcRecordType.response | WarcRecordType.resource
    try:
        with storage.open_input(path) as handle:
            for record in ArchiveIterator(handle, parse_http=False, record_types=kinds):
                originals.note(path, record)
    except (OSError, EOFError, ValueError, LoomError):
        return
