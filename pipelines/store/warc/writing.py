"""Writes WARC/1.1 records, with ids derived from their content, so that the same exchange gives the same bytes."""

import gzip
import hashlib
import json
from collections.abc import Mapping
from typing import IO, Any

from corpusloom.pipelines.store.warc.digests import digest_of

_to_json = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode


def record_urn(*parts: str | bytes) -> str:
    """Return a record id made from the record's content: the same content gives the same id."""
    digest = hashlib.sha256(b"\0".join([p.encode() if isinstance(p, str) else p for p in parts])).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]  # version and variant digits of a UUID of version 4
    return f"<urn:uuid:{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}>"


class WarcWriter:
    """Writes records to an open binary file.

    Args:
      handle: The file, open for writing.
      compress: True to write each record as a gzip member of its own, as in .warc.gz files.
    """

    def __init__(self, handle: IO[bytes], *, compress: bool) -> None:
        self._handle, self._compress = handle, compress
        self._offset = 0

    def write(
        self, kind: str, headers: Mapping[str, str], block: bytes, *, digest: str | None = None
    ) -> tuple[int, int]:
        """Write one record; return its offset and length in the file, in bytes.

        Args:
          kind: The WARC-Type.
          headers: The headers, without WARC-Type, WARC-Block-Digest and Content-Length.
          block: The record's block.
          digest: The block's digest, if the caller has computed it; else it is computed.
        """
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        length, digest = len(block), digest or digest_of(block)
        head = (
            f"WARC/1.1\r\nWARC-Type: {kind}\r\n{lines}WARC-Block-Digest: {digest}\r\nContent-Length: {length}\r\n\r\n"
        )
        parts = [head.encode(), block, b"\r\n\r\n"]
        if self._compress:
            parts = [gzip.compress(b"".join(parts), 6, mtime=0)]
        offset = self._offset
        for part in parts:  # written one by one, so that the body is not copied
            self._handle.write(part)
            self._offset += len(part)
        return offset, self._offset - offset

    def copy(self, data: bytes) -> tuple[int, int]:
        """Write a record that was read from another WARC, unchanged; return its offset and length in bytes."""
        offset = self._offset
        self._handle.write(data)
        self._offset += len(data)
        return offset, len(data)

    def warcinfo(self, fields: Mapping[str, str], date: str) -> tuple[int, int]:
        """Write the record that describes the file and its writer; return its offset and length in bytes."""
        block = "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode()
        headers = {"WARC-Record-ID": record_urn("warcinfo", block, date), "WARC-Date": date}
        return self.write("warcinfo", headers | {"Content-Type": "application/warc-fields"}, block)

    def resource(
        self, url: str, content_type: str, body: bytes, *, date: str, digest: str | None = None
    ) -> tuple[int, int]:
        """Write a body without its HTTP headers; return its offset and length in bytes."""
        digest = digest or digest_of(body)
        headers = {
            "WARC-Record-ID": record_urn("resource", url, digest, date),
            "WARC-Date": date,
            "WARC-Target-URI": url,
            "WARC-Payload-Digest": digest,
            "Content-Type": content_type,
        }
        return self.write("resource", headers, body, digest=digest)

    def metadata(self, url: str, values: Mapping[str, Any], *, date: str) -> tuple[int, int]:
        """Write facts about a URL as JSON; return the record's offset and length in bytes."""
        block = _to_json(values).encode()
        headers = {
            "WARC-Record-ID": record_urn("metadata", url, block, date),
            "WARC-Date": date,
            "WARC-Target-URI": url,
            "Content-Type": "application/json",
        }
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
        """Write a response and its request; return the response's offset and length in bytes.

        Args:
          url: The URL that was requested.
          request: The request with its headers.
          head: Status line and headers of the response, with the blank line that ends them.
          body: The body as it was transferred, codings included.
          date: Time of the response, RFC 3339 in UTC.
          address: IP address of the server.
          truncated: The WARC-Truncated reason (length, time, disconnect); None for a complete body.
        """
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
