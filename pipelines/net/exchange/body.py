"""Reads the body of a response within its cap: a page is truncated, an image rejected as early as possible."""

import asyncio
import socket
import struct

import aiohttp

from corpusloom.pipelines.net.config import FetchKind
from corpusloom.pipelines.net.exchange.body_buffer import BodyBuffer
from corpusloom.pipelines.net.exchange.response import is_success
from corpusloom.pipelines.net.exchange.sniff import SNIFFED_BYTES, is_image
from corpusloom.pipelines.net.exchange.timeouts import Deadline
from corpusloom.schemas.verdicts import Rejected

_BYTES_RECEIVED = struct.Struct("=128xQ")
"""The field tcpi_bytes_received of Linux's struct tcp_info."""


class _WireCount:
    """Counts the bytes that the system received for a chunked body: each byte of it may cost kilobytes and our time."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        connection = response.connection
        transport = connection.transport if connection is not None else None
        self._socket = transport.get_extra_info("socket") if transport is not None else None
        self._first = self._received()

    def count(self) -> int:
        """Return the bytes since the headers; 0 if the connection is closed."""
        return self._received() - self._first

    def _received(self) -> int:
        if self._socket is None or self._socket.fileno() < 0:
            return 0
        info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_RECEIVED.size)
        return int(_BYTES_RECEIVED.unpack(info)[0])


async def read_body(
    response: aiohttp.ClientResponse, kind: FetchKind, cap: int, idle: float, deadline: Deadline, body: BodyBuffer
) -> str | Rejected | None:
    """Read a body from the wire into `body`; return why it is incomplete (length, disconnect, time), else None.

    A page is truncated at the cap, at a timeout, and if the connection breaks. An image is rejected if it is larger
    than the cap, or if its first bytes are not those of an image.
    """
    image = kind == "image"
    wire = _WireCount(response) if "Transfer-Encoding" in response.headers else None
    declared = response.content_length
    if image and declared is not None and declared > cap:
        return Rejected("body_too_large", float(declared), float(cap))
    deadline.enter("idle", idle)
    try:
        while chunk := await response.content.readany():
            deadline.enter("idle", idle)
            body.append(chunk)
            size = body.size if wire is None else max(body.size, wire.count() // 2)
            if size > cap:
                return Rejected("body_too_large", float(size), float(cap)) if image else "length"
            if image and body.size == len(chunk) and _is_no_image(response, chunk):
                return Rejected("not_an_image")
    except (aiohttp.ClientPayloadError, aiohttp.ClientOSError):
        if kind != "page" or not body.size:
            raise
        return "disconnect"
    except asyncio.CancelledError:
        if kind != "page" or not body.size or deadline.passed != "idle" or deadline.absorb() is None:
            raise
        return "time"
    return None


def _is_no_image(response: aiohttp.ClientResponse, chunk: bytes) -> bool:
    """Return whether the first chunk shows that a body is no image, so that the rest need not be read."""
    if not is_success(response.status) or "Content-Encoding" in response.headers:
        return False
    return len(chunk) >= SNIFFED_BYTES and not is_image(chunk[:SNIFFED_BYTES])
