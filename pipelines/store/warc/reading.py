"""Reads WARC files: all responses of a file, or the record at an offset."""

import gzip
import zlib
from collections.abc import Iterator

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from corpusloom.pipelines.store.warc.digests import check_digests
from corpusloom.pipelines.store.warc.file_end import cut_at_end
from corpusloom.pipelines.store.warc.responses import (
    MAX_BODY,
    Headers,
    HtmlResponse,
    RecordSource,
    SkippedRecord,
    html_or_skipped,
    open_response,
    truncated_file,
    unchunk,
)
from corpusloom.pipelines.store.warc.revisits import CollectionRevisitIndex, RevisitIndex
from corpusloom.schemas import storage
from corpusloom.schemas.errors import DamageError, InputError, raise_shortage
from corpusloom.schemas.verdicts import Dead, Rejected

MAX_HEAD = 65_536
"""Bytes that are read beyond the limit of a body, for the HTTP headers before it."""
_RESPONSES = (WarcRecordType.response, WarcRecordType.resource, WarcRecordType.revisit)


def read_warc(
    path: str, limit: int = MAX_BODY, *, revisits: CollectionRevisitIndex | None = None, verify: bool = False
) -> Iterator[HtmlResponse | SkippedRecord]:
    """Yield each response, resource and revisit of a WARC, as HTML or as skipped with the reason.

    A truncated file yields its complete records, then one dead outcome that names the offset.

    Args:
      path: The WARC; gzip, zstd, lz4 or uncompressed.
      limit: Maximum number of bytes of a decoded body.
      revisits: Index over all WARCs of the crawl. Without it a revisit is resolved within its own file only.
      verify: True to compare each record with its digests; a mismatch is a dead outcome.

    Raises:
      InputError: For a WET or WAT file, which holds texts or metadata made from a WARC.
    """
    last, cut = 0, None
    originals, only_other_records = RevisitIndex(limit), True
    with storage.open_input(path) as handle:
        try:
            for record in ArchiveIterator(handle, parse_http=False):
                last = int(record.stream_pos)
                length = int(record.content_length)
                is_response = record.record_type in _RESPONSES
                block = record.reader.read(min(length, 2 * limit)) if is_response else b""
                if not record.headers.get("Content-Length") or (is_response and len(block) < min(length, 2 * limit)):
                    cut = "the record is cut off"
                    break
                only_other_records = only_other_records and not is_response
                damage = check_digests(record, block, _unchunked(record, block)) if verify and is_response else None
                if damage is not None:
                    yield SkippedRecord(**_source(record), verdict=damage)
                elif record.record_type == WarcRecordType.revisit:
                    found = originals.resolve(record, block) or (revisits.resolve(record, block) if revisits else None)
                    yield _read_record(record, found, limit)
                elif is_response:
                    originals.add(path, record)
                    yield _read_record(record, block, limit)
                elif only_other_records:
                    refuse_derived(record, path)
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise_shortage(error, path)
            cut = str(error)
    cut = cut or cut_at_end(path, last)
    if cut is not None:
        yield truncated_file(path, last, f"{path}: at or after byte {last}: {cut}")


def refuse_derived(record: WarcRecord, path: str) -> None:
    """Raise InputError if the record is from a WET or WAT file: texts or metadata made from a WARC."""
    conversion = record.record_type == WarcRecordType.conversion
    metadata = record.record_type == WarcRecordType.metadata and b'"Envelope"' in record.reader.read(4_096)
    if conversion or metadata:
        kind = "WET file: texts" if conversion else "WAT file: metadata"
        raise InputError(
            f"is a {kind} made from a WARC, not pages", where=path, remedy="give the WARC that it was made from"
        )


def _source(record: WarcRecord) -> RecordSource:
    return RecordSource(
        url=(record.headers.get("WARC-Target-URI") or "").strip("<>"),
        record_id=record.record_id or "",
        offset=int(record.stream_pos),
        fetched_at=record.headers.get("WARC-Date") or "",
    )


def _unchunked(record: WarcRecord, block: bytes) -> bytes | None:
    """Return the body of an HTTP response without its transfer coding; None for another record type."""
    if record.record_type != WarcRecordType.response:
        return None
    head, _, body = block.partition(b"\r\n\r\n")
    return unchunk(body) if b"chunked" in head.lower() else body


def _resource_type(record: WarcRecord) -> str | None:
    """Return the content type of a resource record; None for another record type."""
    return record.headers.get("Content-Type") or "" if record.record_type == WarcRecordType.resource else None


def _read_record(record: WarcRecord, block: bytes | None, limit: int) -> HtmlResponse | SkippedRecord:
    source = _source(record)
    if block is None:
        return SkippedRecord(**source, verdict=Rejected("revisit_unresolved"))
    truncated = record.headers.get("WARC-Truncated") is not None
    return html_or_skipped(source, block, limit, truncated=truncated, resource=_resource_type(record))


def read_response_at(path: str, offset: int, limit: int) -> tuple[Headers, bytes, str] | Rejected | Dead:
    """Return headers, body and date of the response at an offset of a WARC, or the verdict on an unusable one.

    Args:
      path: The WARC.
      offset: Offset of the record, in bytes.
      limit: Maximum number of bytes of a body; a larger one is rejected.
    """
    with storage.open_input(path) as handle:
        handle.seek(offset)
        try:
            record = next(iter(ArchiveIterator(handle, parse_http=False)), None)
        except (OSError, ValueError) as error:  # no gzip member begins there
            raise_shortage(error, path)
            record = None
        if record is None:
            return Dead("truncated_warc", f"{path}: no record at byte {offset}")
        if int(record.content_length) > limit + MAX_HEAD:
            return Rejected("body_too_large", float(record.content_length), float(limit))
        block = record.reader.read(limit + MAX_HEAD)
        resource = _resource_type(record)
        date = record.headers.get("WARC-Date") or ""
        if record.headers.get("WARC-Truncated"):
            return Dead("body_cut_off", "WARC-Truncated")
    response = open_response(block, limit, resource)
    return response if isinstance(response, Rejected | Dead) else (response.headers, response.body, date)


def read_resource(path: str, offset: int, length: int) -> bytes:
    """Return the block of the record at an offset of an uncompressed WARC; offset and length are in bytes."""
    data = storage.read_bytes(path, offset, offset + length)
    head, separator, block = data.partition(b"\r\n\r\n")
    if not head.startswith(b"WARC/1.") or not separator or not block.endswith(b"\r\n\r\n"):
        raise DamageError(f"no WARC record at byte {offset}", where=path, remedy="loom images --reindex")
    return block[:-4]


def read_paths(path: str) -> list[str]:
    """Return the WARCs of a paths file: one path per line, gzip or plain text.

    A relative path is resolved against the folder of the paths file.
    """
    data = storage.read_bytes(path)
    text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    lines = [line.strip() for line in text.decode("utf-8", "replace").splitlines()]
    folder = path.rsplit("/", 1)[0] if "/" in path else "."
    absolute = ("/", "s3://", "gs://", "http://", "https://")
    return [line if line.startswith(absolute) else storage.join(folder, line) for line in lines if line]
