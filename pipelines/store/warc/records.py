"""WARC in and out (WARC/1.1): records read with a verdict each, records written with their digests and places."""

import base64
import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from fastwarc.warc import ArchiveIterator, WarcRecordType

from corpusloom.pipelines.net.exchange import sniff
from corpusloom.pipelines.net.exchange.decode import CodingError, decode
from corpusloom.pipelines.store.warc.digests import check_digests
from corpusloom.pipelines.store.warc.revisits import Across, Originals
from corpusloom.schemas import storage
from corpusloom.schemas.errors import DamageError, InputError
from corpusloom.schemas.verdicts import Dead, Rejected

MAX_BODY = 10_000_000
"""Bytes of a page that are read; HTML beyond them is cut."""
INFLATE_STEP = 1 << 20
_HTML = ("text/html", "application/xhtml+xml")
_WANTED = (WarcRecordType.response, WarcRecordType.resource, WarcRecordType.revisit)
_to_json = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode
ZSTD, LZ4 = b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"


@dataclass(frozen=True, slots=True, kw_only=True)
class WarcPage:
    """An HTML response of a WARC, its body decoded."""

    url: str
    record_id: str
    offset: int
    fetched_at: str
    status: int
    headers: tuple[tuple[str, str], ...]
    content_type: str | None
    body: bytes
    truncated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A response of a WARC that is no page: why."""

    url: str
    record_id: str
    offset: int
    fetched_at: str
    verdict: Rejected | Dead
    image: bool = False
    """It is a good answer with an image, which a store may take instead of fetching it."""


def record_urn(*parts: str | bytes) -> str:
    """Return a record id made of a record's content: the same content gives the same WARC."""
    digest = hashlib.sha256(b"\0".join([p.encode() if isinstance(p, str) else p for p in parts])).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]  # as a UUID of version 4 has it
    return f"<urn:uuid:{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}>"


def digest_of(data: bytes, algorithm: str = "sha1") -> str:
    """Return a WARC digest: sha1, which every tool knows, or another algorithm, in Base32."""
    return spell_digest(algorithm, hashlib.new(algorithm, data, usedforsecurity=False).digest())


def spell_digest(algorithm: str, digest: bytes) -> str:
    """Return a digest as WARC headers spell it."""
    return f"{algorithm}:{base64.b32encode(digest).decode()}"


class WarcWriter:
    """Writes records to an open binary file, one gzip member a record if `compress`."""

    def __init__(self, handle: IO[bytes], *, compress: bool) -> None:
        self._handle, self._compress = handle, compress
        self._offset = 0

    def write(
        self, kind: str, headers: Mapping[str, str], block: bytes, *, digest: str | None = None
    ) -> tuple[int, int]:
        """Write one record, its block's digest given or computed; return offset and length in the file, in bytes."""
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        length, digest = len(block), digest or digest_of(block)
        head = (
            f"WARC/1.1\r\nWARC-Type: {kind}\r\n{lines}WARC-Block-Digest: {digest}\r\nContent-Length: {length}\r\n\r\n"
        )
        parts = [head.encode(), block, b"\r\n\r\n"]
        if self._compress:
            parts = [gzip.compress(b"".join(parts), 6, mtime=0)]
        offset = self._offset
        for part in parts:  # one by one: a body is not copied
            self._handle.write(part)
            self._offset += len(part)
        return offset, self._offset - offset

    def copy(self, data: bytes) -> tuple[int, int]:
        """Write a record as it lay in another WARC."""
        offset = self._offset
        self._handle.write(data)
        self._offset += len(data)
        return offset, len(data)

    def warcinfo(self, fields: Mapping[str, str], date: str) -> tuple[int, int]:
        """Write the record that says who wrote the file."""
        block = "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode()
        headers = {"WARC-Record-ID": record_urn("warcinfo", block, date), "WARC-Date": date}
        return self.write("warcinfo", headers | {"Content-Type": "application/warc-fields"}, block)

    def resource(
        self, url: str, content_type: str, body: bytes, *, date: str, digest: str | None = None
    ) -> tuple[int, int]:
        """Write a body by itself, without its HTTP exchange; its digest given or computed."""
        digest = digest or digest_of(body)
        headers = {
            "WARC-Record-ID": record_urn("resource", url, digest, date),
            "WARC-Date": date,
            "WARC-Target-URI": url,
            "WARC-Payload-Digest": digest,
            "Content-Type": content_type,
        }
        return self.write("resource", headers, body, digest=digest)

    def metadata(
        self, url: str, values: Mapping[str, Any], *, date: str, refers_to: str | None = None
    ) -> tuple[int, int]:
        """Write facts about a URL as JSON."""
        block = _to_json(values).encode()
        headers = {
            "WARC-Record-ID": record_urn("metadata", url, block, date),
            "WARC-Date": date,
            "WARC-Target-URI": url,
            "Content-Type": "application/json",
        }
        if refers_to:
            headers["WARC-Refers-To"] = refers_to
        return self.write("metadata", headers, block)

    def exchange(
        self,
        url: str,
        request: bytes,
        head: bytes,
        body: bytes,
        *,
        date: str,
        address: str | None,
        truncated: str | None,
    ) -> tuple[int, int]:
        """Write a request and its response; return the response's place. `body` is as it came over the wire."""
        response_id = record_urn("response", url, head, body, date)
        common = {"WARC-Date": date, "WARC-Target-URI": url} | ({"WARC-IP-Address": address} if address else {})
        headers = {"WARC-Record-ID": response_id, **common, "WARC-Payload-Digest": digest_of(body)}
        headers["Content-Type"] = "application/http; msgtype=response"
        if truncated:
            headers["WARC-Truncated"] = truncated
        place = self.write("response", headers, head + body)
        request_headers = {"WARC-Record-ID": record_urn("request", url, request, date), **common}
        request_headers |= {"WARC-Concurrent-To": response_id, "Content-Type": "application/http; msgtype=request"}
        self.write("request", request_headers, request)
        return place


def parse_http(block: bytes) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
    """Split an HTTP response into status, headers and body; raise ValueError when it is none."""
    head, separator, body = block.partition(b"\r\n\r\n")
    if not separator:
        head, separator, body = block.partition(b"\n\n")
    lines = head.decode("utf-8", "replace").splitlines()
    parts = lines[0].split(None, 2) if lines else []
    if len(parts) < 2 or not parts[0].startswith("HTTP/") or not parts[1].isdigit():
        raise ValueError("no HTTP status line")
    pairs = (line.partition(":")[::2] for line in lines[1:] if ":" in line)
    return int(parts[1]), tuple((name.strip(), value.strip()) for name, value in pairs), body


def unchunk(body: bytes) -> bytes:
    """Undo chunked framing; a body without it (Common Crawl keeps the header alone) comes back as it is."""
    parts: list[bytes] = []
    place = 0
    while True:
        end = body.find(b"\r\n", place, place + 64)
        size_text = body[place:end].split(b";")[0].strip() if end >= 0 else b""
        if not size_text or any(digit not in b"0123456789abcdefABCDEF" for digit in size_text):
            return b"".join(parts) if parts else body
        size = int(size_text, 16)
        if size == 0:
            return b"".join(parts)
        parts.append(body[end + 2 : end + 2 + size])
        place = end + 2 + size + 2


def read_warc(
    path: str, limit: int = MAX_BODY, *, across: Across | None = None, verify: bool = False
) -> Iterator[WarcPage | Skipped]:
    """Yield every response, resource and revisit of a WARC as a page, or as skipped with its reason.

    A revisit is resolved within its file, else `across` those that were read before it; with `verify` a record that is
    not what its digests say is dead. A file that is cut off yields what stands before the cut, then one dead
    outcome with the place. WET and WAT files, which hold no pages, are an InputError.
    """
    last, cut = 0, None
    originals, nothing = Originals(limit), True
    with storage.open_input(path) as handle:
        try:
            for record in ArchiveIterator(handle, parse_http=False):
                last = int(record.stream_pos)
                length = int(record.content_length)
                wanted = record.record_type in _WANTED
                block = record.reader.read(min(length, 2 * limit)) if wanted else b""
                if not record.headers.get("Content-Length") or (wanted and len(block) < min(length, 2 * limit)):
                    cut = "the record is cut off"
                    break
                nothing = nothing and not wanted
                damage = check_digests(record, block, _unchunked(record, block)) if verify and wanted else None
                if damage is not None:
                    yield Skipped(**_common(record), verdict=damage)
                elif record.record_type == WarcRecordType.revisit:
                    found = originals.resolve(record, block) or (across.resolve(record, block) if across else None)
                    yield _read_record(record, found, limit)
                elif wanted:
                    originals.note(path, record)
                    yield _read_record(record, block, limit)
                elif nothing:
                    refuse_derived(record, path)
        except (OSError, EOFError, ValueError, zlib.error) as error:
            cut = str(error)
    cut = cut or _cut_at_end(path, last)
    if cut is not None:
        name = path.rsplit("/", 1)[-1]
        verdict = Dead("truncated_warc", f"{path}: at or after byte {last}: {cut}")
        yield Skipped(url=name, record_id=f"truncated {name}", offset=last, fetched_at="", verdict=verdict)


def refuse_derived(record: Any, path: str) -> None:
    """Raise InputError at the first record of a WET or WAT file: texts or metadata made from a WARC."""
    derived = record.record_type == WarcRecordType.conversion
    if not derived and record.record_type == WarcRecordType.metadata:
        derived = b'"Envelope"' in record.reader.read(4_096)
    if derived:
        kind = "WET file: texts" if record.record_type == WarcRecordType.conversion else "WAT file: metadata"
        raise InputError(f"is a {kind} made from a WARC, no pages", where=path, remedy="name the WARC it was made from")


def _cut_at_end(path: str, last: int) -> str | None:
    """Say what is wrong when a file does not end where a record does, looking from its last record on."""
    if storage.read_bytes(path, 0, 4) in (ZSTD, LZ4):
        return None  # the reader itself says when a frame is cut
    tail = storage.read_bytes(path, last)
    if not tail.startswith(b"\x1f\x8b"):
        return None if not tail or _is_whole(tail) else "the last record is cut off"
    while tail:
        member = zlib.decompressobj(31)
        try:
            member.decompress(tail, INFLATE_STEP)
            while not member.eof and member.unconsumed_tail:  # in steps: the record may be a bomb
                member.decompress(member.unconsumed_tail, INFLATE_STEP)
        except zlib.error as error:
            return str(error)
        if not member.eof:
            return "the last gzip member is cut off"
        tail = member.unused_data
    return None


def _is_whole(record: bytes) -> bool:
    """Say whether an uncompressed record has all of its block and the blank lines behind it."""
    head, separator, rest = record.partition(b"\r\n\r\n")
    length = re.search(rb"(?im)^content-length:\s*(\d+)\s*$", head)
    return bool(separator) and length is not None and len(rest) >= int(length.group(1)) + 4


def _common(record: Any) -> dict[str, Any]:
    """Return what a page and a skipped record share."""
    return {
        "url": (record.headers.get("WARC-Target-URI") or "").strip("<>"),
        "record_id": record.record_id or "",
        "offset": int(record.stream_pos),
        "fetched_at": record.headers.get("WARC-Date") or "",
    }


def _unchunked(record: Any, block: bytes) -> bytes | None:
    """Return the body of an HTTP answer without its transfer coding; None for a record that holds none."""
    if record.record_type != WarcRecordType.response:
        return None
    head, _, body = block.partition(b"\r\n\r\n")
    return unchunk(body) if b"chunked" in head.lower() else body


def _read_record(record: Any, block: bytes | None, limit: int) -> WarcPage | Skipped:
    headers, common = record.headers, _common(record)
    if block is None:
        return Skipped(**common, verdict=Rejected("revisit_unresolved"))
    resource = headers.get("Content-Type") or "" if record.record_type == WarcRecordType.resource else None
    return judge_block(common, block, limit, truncated=headers.get("WARC-Truncated") is not None, resource=resource)


def judge_block(
    common: dict[str, Any], block: bytes, limit: int, *, truncated: bool = False, resource: str | None = None
) -> WarcPage | Skipped:
    """Return an HTTP response, or a resource of a content type, as a page or as skipped."""
    answer = open_block(block, limit, resource)
    if isinstance(answer, Rejected | Dead):
        return Skipped(**common, verdict=answer)
    status, headers, content_type, body = answer
    kind = (content_type or "").split(";")[0].strip().lower()
    if kind and kind not in _HTML:
        image = kind.startswith("image/") or (not kind.startswith("text/") and sniff.is_image(body[: sniff.ENOUGH]))
        return Skipped(**common, verdict=Rejected("not_html"), image=image)
    return WarcPage(
        **common,
        status=status,
        headers=headers,
        content_type=content_type,
        body=body,
        truncated=truncated or len(body) >= limit,
    )


def open_block(
    block: bytes, limit: int, resource: str | None = None
) -> tuple[int, tuple[tuple[str, str], ...], str | None, bytes] | Rejected | Dead:
    """Return status, headers, content type and decoded body of a good answer, or why it is of no use."""
    headers: tuple[tuple[str, str], ...]
    if resource is not None:
        status, headers, body = 200, (("Content-Type", resource),), block
    else:
        try:
            status, headers, body = parse_http(block)
        except ValueError as error:
            return Rejected("not_http") if not block else Dead("bad_http", str(error))
    fields = {name.lower(): value for name, value in headers}
    if not 200 <= status < 300:
        return Rejected(f"http_{status}")
    if "chunked" in fields.get("transfer-encoding", "").lower():
        body = unchunk(body)
    try:
        body = decode(body, fields.get("content-encoding", ""), limit).body[:limit]
    except CodingError as error:
        return Dead(error.reason, str(error))
    return status, headers, fields.get("content-type"), body


def read_answer(path: str, offset: int, limit: int) -> tuple[tuple[tuple[str, str], ...], bytes, str] | Rejected | Dead:
    """Return headers, body and date of the answer at an offset of a WARC, or why it is of no use."""
    with storage.open_input(path) as handle:
        handle.seek(offset)
        try:
            record = next(iter(ArchiveIterator(handle, parse_http=False)), None)
        except (OSError, ValueError):  # no beginning of a gzip member
            record = None
        if record is None:
            return Dead("truncated_warc", f"{path}: no record at byte {offset}")
        if int(record.content_length) > limit + 65_536:
            return Rejected("body_too_large", float(record.content_length), float(limit))
        block = record.reader.read(limit + 65_536)
        resource = record.headers.get("Content-Type") or "" if record.record_type == WarcRecordType.resource else None
        date = record.headers.get("WARC-Date") or ""
        if record.headers.get("WARC-Truncated"):
            return Dead("body_cut_off", "WARC-Truncated")
    answer = open_block(block, limit, resource)
    return answer if isinstance(answer, Rejected | Dead) else (answer[1], answer[3], date)


def read_paths(path: str) -> list[str]:
    """Return the WARCs that a list of paths names (one a line, gzip or plain), beside the list unless absolute."""
    data = storage.read_bytes(path)
    text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    lines = [line.strip() for line in text.decode("utf-8", "replace").splitlines()]
    folder = path.rsplit("/", 1)[0] if "/" in path else "."
    absolute = ("/", "s3://", "gs://", "http://", "https://")
    return [line if line.startswith(absolute) else storage.join(folder, line) for line in lines if line]


def read_resource(path: str, offset: int, length: int) -> bytes:
    """Return the body of the record at a place of an uncompressed WARC."""
    data = storage.read_bytes(path, offset, offset + length)
    head, separator, block = data.partition(b"\r\n\r\n")
    if not head.startswith(b"WARC/1.") or not separator or not block.endswith(b"\r\n\r\n"):
        raise DamageError(f"no WARC record at byte {offset}", where=path, remedy="loom images --reindex")
    return block[:-4]
