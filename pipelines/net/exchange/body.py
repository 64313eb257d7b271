"""Reads the body of a response within its cap: a page is truncated, an image rejected as early as possible."""

import asyncio

import aiohttp

from corpusloom.pipelines.net.config import FetchKind
from corpusloom.pipelines.net.exchange.response import is_success
from corpusloom.pipelines.net.exchange.sniff import SNIFFED_BYTES, is_image
from corpusloom.pipelines.net.exchange.timeouts import Deadline
from corpusloom.schemas.verdicts import Rejected


async def read_body(
    response: aiohttp.ClientResponse, kind: FetchKind, cap: int, idle: float, deadline: Deadline
) -> tuple[bytes, str | None] | Rejected:
    """Return up to `cap` bytes from the wire, and why they are incomplete (length, disconnect, time), else None.

    A page is truncated at the cap, at a timeout, and if the connection breaks. An image is rejected if it is larger
    than the cap, or if its first bytes are not those of an image.
    """
    image = kind == "image"
    declared = response.content_length
    if image and declared is not None and declared > cap:
        return Rejected("body_too_large", float(declared), float(cap))
    parts: list[bytes] = []
    size = 0
    deadline.enter("idle", idle)
    try:
        while chunk := await response.content.readany():
            deadline.enter("idle", idle)
            parts.append(chunk)
            size += len(chunk)
            if size > cap:
                if image:
                    return Rejected("body_too_large", float(size), float(cap))
                return b"".join(parts)[:cap], "length"
            if image and size == len(chunk) and _is_no_image(response, chunk):
                return Rejected("not_an_image")
    except (aiohttp.ClientPayloadError, aiohttp.ClientOSError):
        if kind != "page" or not size:
            raise
        return b"".join(parts), "disconnect"
    except asyncio.CancelledError:
        if kind != "page" or not size or deadline.passed != "idle" or deadline.absorb() is None:
            raise
        return b"".join(parts), "time"
    return (parts[0] if len(parts) == 1 else b"".join(parts)), None


def _is_no_image(response: aiohttp.ClientResponse, chunk: bytes) -> bool:
    """Return whether the first chunk shows that a body is no image, so that the rest need not be read."""
    if not is_success(response.status) or "Content-Encoding" in response.headers:
        return False
    return len(chunk) >= SNIFFED_BYTES and not is_image(chunk[:SNIFFED_BYTES])
