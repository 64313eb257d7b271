"""Reads one response of a WARC by its offset, whole or not at all: what the image store copies."""

from collections.abc import Sequence

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from corpusloom.pipelines.store.warc.responses import Headers, open_response
from corpusloom.pipelines.store.warc.revisits import CollectionRevisitIndex, is_truncated, resource_type
from corpusloom.schemas import storage
from corpusloom.schemas.verdicts import Dead, Rejected

MAX_HEAD = 65_536
"""Bytes that are read beyond the limit of a body, for the HTTP headers before it."""


def read_response_at(
    path: str, offset: int, limit: int, originals: Sequence[CollectionRevisitIndex] = ()
) -> tuple[Headers, bytes, str] | Rejected | Dead:
    """Return headers, body and date of the response at an offset of a WARC, or the verdict on an unusable one.

    A revisit is read as its original, under its own headers. An empty body and a part of a body are unusable.

    Args:
      path: The WARC.
      offset: Offset of the record, in bytes.
      limit: Maximum number of bytes of a body; a larger one is rejected.
      originals: Indexes over the WARCs that may hold the original of a revisit, in the order in which they are asked.
    """
    with storage.open_input(path) as handle:
        handle.seek(offset)
        try:
            record = next(iter(ArchiveIterator(handle, parse_http=False)), None)
        except (OSError, ValueError):  # no gzip member begins there
            record = None
        if record is None:
            return Dead("truncated_warc", f"{path}: no record at byte {offset}")
        if int(record.content_length) > limit + MAX_HEAD:
            return Rejected("body_too_large", float(record.content_length), float(limit))
        block = bytes(record.reader.read(limit + MAX_HEAD))
    found = _block_of(record, block, originals)
    if isinstance(found, Rejected | Dead):
        return found
    response = open_response(found, limit, resource_type(record))
    if isinstance(response, Rejected | Dead):
        return response
    if not response.body:
        return Rejected("empty_body")
    return response.incomplete or (response.headers, response.body, record.headers.get("WARC-Date") or "")


def _block_of(record: WarcRecord, block: bytes, originals: Sequence[CollectionRevisitIndex]) -> bytes | Rejected | Dead:
    """Return the block of a response, or of the response that a revisit stands for, unless it was cut off."""
    truncated = is_truncated(record) or len(block) < int(record.content_length)
    if record.record_type == WarcRecordType.revisit:
        found = (index.resolve(record, block) for index in originals)
        original = next((response for response in found if response is not None), None)
        if original is None:
            return Rejected("revisit_unresolved")
        block, truncated = original.block, original.truncated
    return Dead("body_cut_off", "the crawler cut it off") if truncated else block
