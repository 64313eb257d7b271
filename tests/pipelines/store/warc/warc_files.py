"""WARC files for tests: exchanges as our writer writes them, and records of any type."""

import io
from pathlib import Path

from corpusloom.pipelines.store.warc.writing import WarcWriter

DATE = "2026-01-02T03:04:05Z"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
HTTP = {"Content-Type": "application/http; msgtype=response"}


def write(path: Path, *answers: tuple[str, bytes, bytes]) -> bytes:
    """Write exchanges (url, response head without its blank line, body)."""
    buffer = io.BytesIO()
    writer = WarcWriter(buffer, compress=path.suffix == ".gz")
    writer.warcinfo({"software": "test"}, DATE)
    for url, head, body in answers:
        writer.exchange(
            url, b"GET / HTTP/1.1\r\n\r\n", head + b"\r\n", body, date=DATE, address="192.0.2.1", truncated=None
        )
    path.write_bytes(buffer.getvalue())
    return buffer.getvalue()


def write_records(path: Path, *records: tuple[str, dict[str, str], bytes]) -> str:
    """Write records of any type."""
    buffer = io.BytesIO()
    writer = WarcWriter(buffer, compress=False)
    writer.warcinfo({"software": "test"}, DATE)
    for number, (kind, headers, block) in enumerate(records):
        common = {"WARC-Record-ID": f"<urn:uuid:00000000-0000-4000-8000-{number:012d}>", "WARC-Date": DATE}
        writer.write(kind, common | headers, block)
    path.write_bytes(buffer.getvalue())
    return str(path)
