"""Resolves revisit records, which crawlers write in place of a response whose payload they stored before.

A revisit refers to its original by record id (WARC-Refers-To), by URL and date, or by the payload's digest alone. A
revisit after a 304 (profile server-not-modified) has no payload of its own, so its digest says nothing, and its
original is an earlier response of the same URL.
"""

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from fastwarc.warc import WarcRecord, WarcRecordType

from corpusloom.pipelines.store.warc.digests import ALGORITHMS, parse_digest, spell_digest
from corpusloom.pipelines.store.warc.records import record_at, warc_records
from corpusloom.pipelines.store.warc.responses import Headers, parse_http
from corpusloom.schemas import storage
from corpusloom.schemas.errors import LoomError, raise_shortage

MAX_NAMES = 2_000_000
"""Maximum number of names in one index, at about 150 bytes of memory each. Later records are not indexed."""
_SHA1_LENGTH = len("sha1:") + 32
"""Characters of a SHA-1 digest in Base32."""
_FRAMING = frozenset(("content-length", "content-encoding", "transfer-encoding", "content-range"))
"""Headers about the stored bytes of a body: those of the original apply, whatever the revisit says."""


@dataclass(frozen=True, slots=True)
class Original:
    """The response that a revisit stands for: its block under the headers of the revisit."""

    block: bytes
    truncated: bool
    """True if the crawler cut the body off."""


def url_of(record: WarcRecord, name: str = "WARC-Target-URI") -> str:
    """Return the URL in a header of a record; some writers put it in angle brackets."""
    return (record.headers.get(name) or "").strip("<>")


def is_truncated(record: WarcRecord) -> bool:
    """Return whether the crawler cut a record's body off."""
    return record.headers.get("WARC-Truncated") is not None


def resource_type(record: WarcRecord) -> str | None:
    """Return the content type of a resource record; None for another record type."""
    return record.headers.get("Content-Type") or "" if record.record_type == WarcRecordType.resource else None


def _names_of(record: WarcRecord) -> Iterator[str]:
    """Yield the names by which a revisit may refer to this record."""
    yield _id(record.record_id)
    yield f"{url_of(record)} {record.headers.get('WARC-Date')}"
    yield _digest(record)


def _names_in(record: WarcRecord, *, not_modified: bool) -> Iterator[str]:
    """Yield the names by which this revisit refers to its original, the most specific one first."""
    yield _id(record.headers.get("WARC-Refers-To"))
    url = url_of(record, "WARC-Refers-To-Target-URI") or (url_of(record) if not_modified else "")
    date = record.headers.get("WARC-Refers-To-Date")
    if url and date:
        yield f"{url} {date}"
    if not not_modified:
        yield _digest(record)


def _id(text: str | None) -> str:
    return (text or "").strip("<>").removeprefix("urn:uuid:")


def _digest(record: WarcRecord) -> str:
    """Return the payload's digest in one spelling, since writers differ in case and base."""
    text = record.headers.get("WARC-Payload-Digest") or ""
    if len(text) == _SHA1_LENGTH and text.startswith("sha1:") and text[5:].isupper():
        return text  # the usual spelling, which is not parsed
    algorithm, digest = parse_digest(text) or ("", b"")
    return spell_digest(algorithm, digest) if digest and len(digest) == ALGORITHMS[algorithm] else text


@dataclass
class RevisitIndex:
    """Locations of responses by the names that revisits use; if records share a name, the first is used."""

    limit: int
    """Maximum number of bytes of a decoded body; twice as many bytes of a record are read."""
    _places: dict[bytes, tuple[str, int]] = field(default_factory=dict)

    def add(self, path: str, offset: int | None, record: WarcRecord) -> None:
        """Index a response or resource record of a WARC, unless it cannot be read by an offset."""
        if offset is None:
            return
        for name in _names_of(record):
            if name and len(self._places) < MAX_NAMES:
                self._places.setdefault(_key(name), (path, offset))

    def resolve(self, record: WarcRecord, block: bytes) -> Original | None:
        """Return the response that a revisit stands for, or None if its original is not indexed."""
        head = _parse(block)
        profile = record.headers.get("WARC-Profile") or ""
        not_modified = "not-modified" in profile or (head is not None and head[0] == 304)
        for name in _names_in(record, not_modified=not_modified):
            place = self._places.get(_key(name)) if name else None
            found = _read(*place, 2 * self.limit) if place is not None else None
            if found is not None and (found[0] == url_of(record) or not not_modified):
                return replace(found[1], block=_merge(head, found[1].block))
        return None


def _key(name: str) -> bytes:
    return hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=16).digest()


def _read(path: str, offset: int, limit: int) -> tuple[str, Original] | None:
    """Return URL and response of the record at an offset; None in a file that was compressed as one stream."""
    with storage.open_input(path) as handle:
        record = record_at(handle, offset)
        if record is None:
            return None
        block = bytes(record.reader.read(limit))
    kind = resource_type(record)
    if kind is not None:
        block = f"HTTP/1.1 200\r\nContent-Type: {kind}\r\n\r\n".encode() + block
    return url_of(record), Original(block, is_truncated(record))


def _parse(block: bytes) -> tuple[int, Headers, bytes] | None:
    """Split a block into status, headers and body; None if it is no HTTP response."""
    try:
        return parse_http(block)
    except ValueError:
        return None


def _merge(revisit: tuple[int, Headers, bytes] | None, original: bytes) -> bytes:
    """Return the block of an original under the headers of its revisit, if the revisit has any.

    The framing of the body is that of the original. A 304 updates the headers that it names (RFC 9111, 3.2) and keeps
    the status. A part of a resource (206) stays a part.
    """
    found = _parse(original)
    if found is None or revisit is None:
        return original
    (status, headers, _), (old_status, old_headers, body) = revisit, found
    updates = status == 304
    fixed = _FRAMING | {"content-type"} if updates else _FRAMING
    own = {name.lower() for name, _ in headers} - fixed
    inherited = {"content-type"} - own if not updates else {name.lower() for name, _ in old_headers} - own
    lines = [f"{name}: {value}" for name, value in headers if name.lower() in own]
    lines += [f"{name}: {value}" for name, value in old_headers if name.lower() in inherited | _FRAMING]
    line = f"HTTP/1.1 {old_status if updates or old_status == 206 else status}"
    return "\r\n".join([line, *lines, "", ""]).encode() + body


@dataclass
class CollectionRevisitIndex:
    """The revisit index over all WARCs of a crawl, built at the first `resolve`."""

    paths: Sequence[str]
    limit: int
    """Maximum number of bytes of a decoded body."""
    _index: RevisitIndex | None = None

    def resolve(self, record: WarcRecord, block: bytes) -> Original | None:
        """Return the response that a revisit stands for, or None if no WARC has its original."""
        if self._index is None:
            self._index = RevisitIndex(self.limit)
            for path in sorted(self.paths, key=lambda path: (path.rsplit("/", 1)[-1], path)):
                _index_file(path, self._index)
        return self._index.resolve(record, block)


def _index_file(path: str, index: RevisitIndex) -> None:
    """Index the records of a WARC up to any damage, which is reported when the WARC itself is read."""
    try:
        with storage.open_input(path) as handle:
            for offset, record in warc_records(handle):
                if record.record_type in (WarcRecordType.response, WarcRecordType.resource):
                    index.add(path, offset, record)
    except (OSError, EOFError, ValueError, zlib.error, LoomError) as error:
        raise_shortage(error, path)
