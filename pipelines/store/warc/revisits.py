"""Resolves revisit records, which crawlers write in place of a response whose payload they stored before.

A revisit refers to its original by record id (WARC-Refers-To), by URL and date, or by the payload's digest alone.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from corpusloom.schemas import storage
from corpusloom.schemas.errors import LoomError, raise_shortage

MAX_NAMES = 2_000_000
"""Maximum number of names in one index, at about 150 bytes of memory each. Later records are not indexed."""


def _names_of(record: WarcRecord) -> Iterator[str]:
    """Yield the names by which a revisit may refer to this record."""
    headers = record.headers
    yield _id(record.record_id)
    yield f"{headers.get('WARC-Target-URI')} {headers.get('WARC-Date')}"
    yield headers.get("WARC-Payload-Digest") or ""


def _names_in(record: WarcRecord) -> Iterator[str]:
    """Yield the names by which this revisit refers to its original, the most specific one first."""
    headers = record.headers
    yield _id(headers.get("WARC-Refers-To"))
    if headers.get("WARC-Refers-To-Target-URI"):
        yield f"{headers.get('WARC-Refers-To-Target-URI')} {headers.get('WARC-Refers-To-Date')}"
    yield headers.get("WARC-Payload-Digest") or ""


def _id(text: str | None) -> str:
    return (text or "").strip("<>").removeprefix("urn:uuid:")


@dataclass
class RevisitIndex:
    """Locations of responses by the names that revisits use; if records share a name, the first is used."""

    limit: int
    """Maximum number of bytes of a decoded body; twice as many bytes of a record are read."""
    _places: dict[bytes, tuple[str, int]] = field(default_factory=dict)

    def add(self, path: str, record: WarcRecord) -> None:
        """Index a response or resource record of a WARC."""
        for name in _names_of(record):
            if name and len(self._places) < MAX_NAMES:
                self._places.setdefault(_key(name), (path, int(record.stream_pos)))

    def resolve(self, record: WarcRecord, block: bytes) -> bytes | None:
        """Return the block of a revisit's original, or None if it is not indexed.

        HTTP headers of the revisit replace those of the original.
        """
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
    """Return the block of the record at an offset; None in a file that was compressed as one stream."""
    with storage.open_input(path) as handle:
        handle.seek(offset)
        try:
            record = next(iter(ArchiveIterator(handle, parse_http=False)), None)
        except (OSError, ValueError) as error:
            raise_shortage(error, path)
            return None
        return None if record is None else bytes(record.reader.read(limit))


def _key(name: str) -> bytes:
    return hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=16).digest()


@dataclass
class CollectionRevisitIndex:
    """The revisit index over all WARCs of a crawl, built at the first `resolve`."""

    paths: Sequence[str]
    limit: int
    """Maximum number of bytes of a decoded body."""
    _index: RevisitIndex | None = None

    def resolve(self, record: WarcRecord, block: bytes) -> bytes | None:
        """Return the block of a revisit's original from any of the WARCs, or None if none of them has it."""
        if self._index is None:
            self._index = RevisitIndex(self.limit)
            for path in sorted(self.paths, key=lambda path: (path.rsplit("/", 1)[-1], path)):
                _index_file(path, self._index)
        return self._index.resolve(record, block)


def _index_file(path: str, index: RevisitIndex) -> None:
    """Index the records of a WARC up to any damage, which is reported when the WARC itself is read."""
    kinds = WarcRecordType.response | WarcRecordType.resource
    try:
        with storage.open_input(path) as handle:
            for record in ArchiveIterator(handle, parse_http=False, record_types=kinds):
                index.add(path, record)
    except (OSError, EOFError, ValueError, LoomError) as error:
        raise_shortage(error, path)
