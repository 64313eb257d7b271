"""Reads WARC files: all responses of a file, or the block of a record at an offset."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import replace

from fastwarc.warc import WarcRecord, WarcRecordType

from corpusloom.pipelines.store.warc.digests import check_digests
from corpusloom.pipelines.store.warc.file_end import cut_at_end
from corpusloom.pipelines.store.warc.records import date_of, warc_records
from corpusloom.pipelines.store.warc.responses import (
    MAX_BODY,
    HtmlResponse,
    RecordSource,
    SkippedRecord,
    html_or_skipped,
    split_http,
    truncated_file,
    unchunk,
    without_responses,
)
from corpusloom.pipelines.store.warc.revisits import (
    CollectionRevisitIndex,
    RevisitIndex,
    is_truncated,
    resource_type,
    url_of,
)
from corpusloom.schemas import storage
from corpusloom.schemas.errors import DamageError, InputError, raise_shortage
from corpusloom.schemas.verdicts import Rejected

_RESPONSES = (WarcRecordType.response, WarcRecordType.resource, WarcRecordType.revisit)


def read_warc(
    path: str, limit: int = MAX_BODY, *, revisits: CollectionRevisitIndex | None = None, verify: bool = False
) -> Iterator[HtmlResponse | SkippedRecord]:
    """Yield each response, resource and revisit of a WARC, as HTML or as skipped with the reason.

    A truncated file yields its complete records, then one dead outcome that names the offset. A file without a
    response, such as one of requests only, yields one rejection.

    Args:
      path: The WARC; gzip, zstd, lz4 or uncompressed.
      limit: Maximum number of bytes of a decoded body.
      revisits: Index over all WARCs of the crawl. Without it a revisit is resolved within its own file only.
      verify: True to compare each record with its digests; a mismatch is a dead outcome.

    Raises:
      InputError: For a WET or WAT file, which holds texts or metadata made from a WARC.
    """
    last, cut = 0, None
    originals, only_others, records = RevisitIndex(limit), True, 0
    with storage.open_input(path) as handle:
        try:
            for offset, record in warc_records(handle):
                last, records = last if offset is None else offset, records + 1
                length = int(record.content_length)
                is_response = record.record_type in _RESPONSES
                block = record.reader.read(min(length, 2 * limit)) if is_response else b""
                if not record.headers.get("Content-Length") or (is_response and len(block) < min(length, 2 * limit)):
                    cut = "the record is cut off"
                    break
                only_others = only_others and not is_response
                damage = check_digests(record, block, _unchunked(record, block)) if verify and is_response else None
                if damage is not None:
                    yield SkippedRecord(**_source(record, last), verdict=damage)
                elif record.record_type == WarcRecordType.revisit:
                    found = originals.resolve(record, block) or (revisits.resolve(record, block) if revisits else None)
                    if found is None:
                        yield SkippedRecord(**_source(record, last), verdict=Rejected("revisit_unresolved"))
                    else:
                        yield _read_record(record, offset, last, found.block, limit, truncated=found.truncated)
                elif is_response:
                    originals.add(path, offset, record)
                    yield _read_record(record, offset, last, block, limit, truncated=is_truncated(record))
                elif only_others:
                    refuse_derived(record, path)
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise_shortage(error, path)
            cut = str(error)
    cut = cut or cut_at_end(path, last)
    if cut is not None:
        yield truncated_file(path, last, f"{path}: at or after byte {last}: {cut}")
    elif records and only_others:
        yield without_responses(path)


def refuse_derived(record: WarcRecord, path: str) -> None:
    """Raise InputError if the record is from a WET or WAT file: texts or metadata made from a WARC."""
    conversion = record.record_type == WarcRecordType.conversion
    metadata = record.record_type == WarcRecordType.metadata and b'"Envelope"' in record.reader.read(4_096)
    if conversion or metadata:
        kind = "WET file: texts" if conversion else "WAT file: metadata"
        raise InputError(
            f"is a {kind} made from a WARC, not pages", where=path, remedy="give the WARC that it was made from"
        )


def _source(record: WarcRecord, offset: int) -> RecordSource:
    return RecordSource(
        url=url_of(record),
        record_id=record.record_id or "",
        offset=offset,
        fetched_at=date_of(record),
    )


def _unchunked(record: WarcRecord, block: bytes) -> bytes | None:
    """Return the body of an HTTP response without its transfer coding; None for another record type."""
    if record.record_type != WarcRecordType.response:
        return None
    head, body = split_http(block)
    return unchunk(body) if b"chunked" in head.lower() else body


def _read_record(
    record: WarcRecord, offset: int | None, last: int, block: bytes, limit: int, *, truncated: bool
) -> HtmlResponse | SkippedRecord:
    """Return a response as HTML or as skipped; `last` is `offset`, or that of an earlier record if it is None."""
    resource = resource_type(record)
    found = html_or_skipped(_source(record, last), block, limit, truncated=truncated, resource=resource)
    return replace(found, image=False) if offset is None and isinstance(found, SkippedRecord) else found


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
