"""Reads the body of a response within its cap: a page is truncated, an image rejected as early as possible."""

import asyncio

import aiohttp

from corpusloom.pipelines.net.config import FetchKind
from corpusloom.pipelines.net.exchange.body_buffer import BodyBuffer
from corpusloom.pipelines.net.exchange.response import is_success
from corpusloom.pipelines.net.exchange.sniff import SNIFFED_BYTES, is_image
from corpusloom.pipelines.net.exchange.timeouts import Deadline
from corpusloom.schemas.verdicts import Rejected


async def read_body(
    response: aiohttp.ClientResponse, kind: FetchKind, cap: int, idle: float, deadline: Deadline, body: BodyBuffer
) -> str | Rejected | None:
    """Read a body from the wire into `body`; return why it is incomplete (length, disconnect, time), else None.

    A page is truncated at the cap, at a timeout, and if the connection breaks. An image is rejected if it is larger
    than the cap, or if its first bytes are not those of an image.
    """
    image = kind == "image"
    declared = response.content_length
    if image and declared is not None and declared > cap:
        return Rejected("body_too_large", float(declared), float(cap))
    deadline.enter("idle", idle)
    try:
        while chunk := await response.content.readany():
            deadline.enter("idle", idle)
            body.append(chunk)
            if body.size > cap:
                return Rejected("body_too_large", float(body.size), float(cap)) if image else "length"
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
