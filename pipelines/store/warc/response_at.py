"""Reads one response of a WARC or ARC by its offset, whole or not at all: what the image store copies."""

from collections.abc import Sequence
from typing import NamedTuple

from fastwarc.warc import WarcRecord, WarcRecordType

from corpusloom.pipelines.store.warc.arc import is_arc, read_arc_block
from corpusloom.pipelines.store.warc.records import date_of, record_at
from corpusloom.pipelines.store.warc.responses import Headers, open_response
from corpusloom.pipelines.store.warc.revisits import CollectionRevisitIndex, is_truncated, resource_type
from corpusloom.schemas import storage
from corpusloom.schemas.verdicts import Dead, Rejected

MAX_HEAD = 65_536
"""Bytes that are read beyond the limit of a body, for the HTTP headers before it."""


class _Block(NamedTuple):
    """The whole block of a record."""

    data: bytes
    date: str
    resource: str | None = None
    """Content type of a resource record; None for a response."""


def read_response_at(
    path: str, offset: int, limit: int, originals: Sequence[CollectionRevisitIndex] = ()
) -> tuple[Headers, bytes, str] | Rejected | Dead:
    """Return headers, body and date of the response at an offset, or the verdict on an unusable one.

    A revisit is read as its original, under its own headers. An empty body and a part of a body are unusable.

    Args:
      path: The WARC or ARC.
      offset: Offset of the record, in bytes.
      limit: Maximum number of bytes of a body; a larger one is rejected.
      originals: Indexes over the WARCs that may hold the original of a revisit, in the order in which they are asked.
    """
    found = _arc_block(path, offset, limit) if is_arc(path) else _warc_block(path, offset, limit, originals)
    if isinstance(found, Rejected | Dead):
        return found
    response = open_response(found.data, limit, found.resource)
    if isinstance(response, Rejected | Dead):
        return response
    if not response.body:
        return Rejected("empty_body")
    return response.incomplete or (response.headers, response.body, found.date)


def _arc_block(path: str, offset: int, limit: int) -> _Block | Rejected | Dead:
    found = read_arc_block(path, offset, limit + MAX_HEAD)
    if found is None:
        return _nothing(path, offset)
    header, block = found
    return _refusal(len(block), header.length, limit) or _Block(block, header.fetched_at)


def _warc_block(
    path: str, offset: int, limit: int, originals: Sequence[CollectionRevisitIndex]
) -> _Block | Rejected | Dead:
    with storage.open_input(path) as handle:
        record = record_at(handle, offset)
        if record is None:
            return _nothing(path, offset)
        block = bytes(record.reader.read(limit + MAX_HEAD))
    refusal = _refusal(len(block), int(record.content_length), limit)
    if refusal is not None:
        return refusal
    if record.record_type == WarcRecordType.revisit:
        return _of_original(record, block, originals)
    if is_truncated(record):
        return _cut_off()
    return _Block(block, date_of(record), resource_type(record))


def _of_original(
    record: WarcRecord, block: bytes, originals: Sequence[CollectionRevisitIndex]
) -> _Block | Rejected | Dead:
    """Return the block of the response that a revisit stands for."""
    found = (index.resolve(record, block) for index in originals)
    original = next((response for response in found if response is not None), None)
    if original is None:
        return Rejected("revisit_unresolved")
    return _cut_off() if original.truncated else _Block(original.block, date_of(record))


def _refusal(size: int, declared: int, limit: int) -> Rejected | Dead | None:
    """Return why a block of `size` bytes, read up to a limit, is not used; None if it is whole."""
    if declared > limit + MAX_HEAD:
        return Rejected("body_too_large", float(declared), float(limit))
    return _cut_off() if size < declared else None


def _cut_off() -> Dead:
    return Dead("body_cut_off", "the crawler cut it off")


def _nothing(path: str, offset: int) -> Dead:
    return Dead("truncated_warc", f"{path}: no record at byte {offset}")
