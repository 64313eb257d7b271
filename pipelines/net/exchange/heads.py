"""Heads of requests and responses: complete, as evidence for a WARC, or only the headers that the code reads."""

from urllib.parse import quote

import aiohttp

from corpusloom.pipelines.net.permissions.opt_outs import SIGNAL_HEADERS

_READ = ("content-range", "etag", "last-modified", "location", "retry-after", *SIGNAL_HEADERS)
"""Headers that the code reads."""
_ASCII = "".join(map(chr, range(128)))


def all_headers(response: aiohttp.ClientResponse) -> tuple[tuple[str, str], ...]:
    """Return every header of a response, in order."""
    return tuple((n.decode("latin-1"), _text(n.lower() == b"location", v)) for n, v in response.raw_headers)


def read_headers(response: aiohttp.ClientResponse) -> tuple[tuple[str, str], ...]:
    """Return only the headers in `_READ`; decoding all headers takes as long as parsing the response."""
    found = [(name, value) for name in _READ if name in response.headers for value in response.headers.getall(name)]
    return tuple(
        (n, v if v.isascii() else _text(n == "location", v.encode("utf-8", "surrogateescape"))) for n, v in found
    )


def _text(is_url: bool, value: bytes) -> str:
    """Return the text of a header's value. In a URL, escapes stand for bytes beyond ASCII, whatever their charset."""
    return quote(value, safe=_ASCII) if is_url else value.decode("utf-8", "replace")


def request_head(response: aiohttp.ClientResponse) -> bytes:
    """Return request line and headers as they were sent, ending in a blank line."""
    info = response.request_info
    lines = [f"{info.method} {info.url.raw_path_qs} HTTP/1.1", *(f"{n}: {v}" for n, v in info.headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "replace")


def response_head(response: aiohttp.ClientResponse) -> bytes:
    """Return status line and headers as they were received, except for the name of Transfer-Encoding.

    `wire_body` is the body without its transfer coding, so that header no longer applies. It is renamed to
    X-Crawler-Transfer-Encoding, as Common Crawl does, so that WARC readers do not decode the body again.
    """
    version = response.version or aiohttp.HttpVersion11
    status = f"HTTP/{version.major}.{version.minor} {response.status} {response.reason or ''}"
    coded = b"transfer-encoding"
    lines = [(b"X-Crawler-" if n.lower() == coded else b"") + n + b": " + v for n, v in response.raw_headers]
    return b"\r\n".join([status.encode("utf-8", "replace"), *lines, b"", b""])
