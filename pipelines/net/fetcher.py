"""One guarded HTTP exchange: the policy is applied to the address connected to, at every hop and for every answer."""

import asyncio
import dataclasses
import ipaddress
import socket
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit, urlunsplit

import aiohttp
import brotli
import zstandard
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from pipelines.net.config import FetchConfig
from pipelines.net.policy import SCHEMES, AddressPolicy, RefusedError
from pipelines.net.signals import opt_out, signals_of_headers
from schemas.records import Signal
from schemas.verdicts import Dead, Rejected

Kind = Literal["page", "image", "robots"]
Resolver = Callable[[str], list[str]]
Approve = Callable[[str], Awaitable["Rejected | Dead | None"]]
"""Asked before each redirect is followed: may this URL be fetched?"""
CHUNK = 1 << 16
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_TRANSIENT = frozenset((408, 425, 429, 500, 502, 503, 504))
_ACCEPT = {
    "page": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.5",
    "image": "image/*,*/*;q=0.5",
    "robots": "text/plain",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """An answer: what was asked, what came over the wire, and what it says."""

    url: str
    final_url: str
    status: int
    request: bytes
    """The request's head as it was sent, of the last hop."""
    response_head: bytes
    """Status line and headers, ending in a blank line."""
    wire_body: bytes
    """After transfer coding, content coding kept."""
    body: bytes
    """Decoded."""
    headers: tuple[tuple[str, str], ...]
    hops: tuple[str, ...] = ()
    address: str | None = None
    truncated: str | None = None
    fetched_at: str
    signals: tuple[Signal, ...] = ()


Outcome = Fetched | Rejected | Dead


def now() -> str:
    """Return the time in RFC 3339, UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class _GuardedResolver(AbstractResolver):
    """Names to addresses: *.localhost is loopback without asking (RFC 6761), the rest by the system or a hook."""

    def __init__(self, hook: Resolver | None) -> None:
        self._hook = hook

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_UNSPEC) -> list[ResolveResult]:
        addresses = await self._addresses(host)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def _addresses(self, host: str) -> list[str]:
        if host == "localhost" or host.endswith(".localhost"):
            return ["127.0.0.1"]
        if self._hook is not None:
            return self._hook(host)
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(row[4][0]) for row in found))

    async def close(self) -> None:
        """Nothing is held."""


def clean_url(url: str) -> str:
    """Return a URL without credentials and fragment; raise RefusedError for a scheme that is not fetched."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise RefusedError("bad_url", url) from error
    if parts.scheme.lower() not in SCHEMES:
        raise RefusedError("scheme_not_allowed", parts.scheme)
    if not host or len(host) > 253:
        raise RefusedError("bad_url", url)
    netloc = f"[{host}]" if ":" in host else host
    return urlunsplit((parts.scheme.lower(), netloc + (f":{port}" if port else ""), parts.path or "/", parts.query, ""))


class Fetcher:
    """Fetches URLs under one configuration; an async context manager. Keeps no cookies, uses no proxy."""

    def __init__(self, config: FetchConfig, resolver: Resolver | None = None) -> None:
        config.require_contact()
        self.config = config
        self._policy = AddressPolicy(config.allow_addresses)
        self._resolver = _GuardedResolver(resolver)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Fetcher":
        connector = aiohttp.TCPConnector(
            limit=self.config.connections,
            resolver=self._resolver,
            socket_factory=self._socket,
            ttl_dns_cache=300,
            happy_eyeballs_delay=None,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            max_line_size=16_384,
            max_field_size=16_384,
            requote_redirect_url=False,
            timeout=aiohttp.ClientTimeout(
                total=self.config.total_timeout,
                sock_connect=self.config.connect_timeout,
                sock_read=self.config.idle_timeout,
            ),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    def _socket(self, info: Any) -> socket.socket:
        """Make the socket of a connection, after the policy has seen the address that it goes to."""
        family, kind, proto, _, address = info
        self._policy.check(str(address[0]), int(address[1]))
        return socket.socket(family=family, type=kind, proto=proto)

    async def fetch(
        self,
        url: str,
        kind: Kind = "page",
        *,
        etag: str | None = None,
        last_modified: str | None = None,
        accept_errors: bool = False,
        approve: Approve | None = None,
    ) -> Outcome:
        """Fetch one URL with its redirects. A refusal is Rejected, a failure of the network Dead.

        With `accept_errors` an answer of status 4xx or 5xx comes back as Fetched (a WARC keeps it).
        """
        try:
            async with asyncio.timeout(self.config.total_timeout):
                return await self._follow(url, kind, etag, last_modified, accept_errors, approve)
        except RefusedError as error:
            return Rejected(error.reason)
        except TimeoutError as error:
            return Dead(_timeout_class(error), str(error))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _failure(error)

    async def _follow(
        self,
        url: str,
        kind: Kind,
        etag: str | None,
        last_modified: str | None,
        accept_errors: bool,
        approve: Approve | None,
    ) -> Outcome:
        hops: list[str] = []
        target = clean_url(url)
        while True:
            answer = await self._once(target, kind, etag, last_modified)
            location = next((v for n, v in answer.headers if n.lower() == "location"), None)
            if answer.status not in _REDIRECTS or location is None:
                return self._judge(dataclasses.replace(answer, url=url, hops=tuple(hops)), kind, accept_errors)
            hops.append(target)
            if len(hops) > self.config.max_redirects:
                return Rejected("too_many_redirects", float(len(hops)), float(self.config.max_redirects))
            target = clean_url(urljoin(target, location))
            if target in hops:
                return Rejected("redirect_loop")
            if approve is not None and (refused := await approve(target)) is not None:
                return refused

    def _judge(self, answer: Fetched, kind: Kind, accept_errors: bool) -> Outcome:
        signals = signals_of_headers(answer.headers, seen_at=answer.fetched_at)
        answer = dataclasses.replace(answer, signals=signals)
        if accept_errors or kind == "robots":
            return answer
        if answer.status in _TRANSIENT:
            return Dead(f"http_{answer.status}")
        if not 200 <= answer.status < 300:
            return Rejected(f"http_{answer.status}")
        if kind == "image" and answer.truncated:
            return Rejected("too_many_bytes", float(len(answer.body)), float(self.config.max_image_bytes))
        return opt_out(signals, self.config.honour, unit="image" if kind == "image" else "page") or answer

    async def _once(self, url: str, kind: Kind, etag: str | None, last_modified: str | None) -> Fetched:
        if self._session is None:
            raise RuntimeError("a Fetcher is used inside `async with`")
        headers = {"User-Agent": self.config.user_agent, "Accept": _ACCEPT[kind], "Accept-Encoding": "gzip, br, zstd"}
        if etag:
            headers["If-None-Match"] = etag
        if last_modified:
            headers["If-Modified-Since"] = last_modified
        self._check_literal(url)
        limit = self.config.max_image_bytes if kind == "image" else self.config.max_page_bytes
        async with self._session.get(URL(url, encoded=True), headers=headers, allow_redirects=False) as response:
            wire, truncated = await _read(response, limit)
            body, decoded_cut = _decode(wire, response.headers.get("Content-Encoding", ""), limit)
            raw = tuple((n.decode("latin-1"), v.decode("utf-8", "replace")) for n, v in response.raw_headers)
            return Fetched(
                url=url,
                final_url=url,
                status=response.status,
                request=_request_head(response),
                response_head=_response_head(response),
                wire_body=wire,
                body=body,
                headers=raw,
                address=_peer(response),
                truncated="length" if truncated or decoded_cut else None,
                fetched_at=now(),
            )

    def _check_literal(self, url: str) -> None:
        """Refuse an address written into a URL at once (aiohttp resolves it without asking the resolver)."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with suppress(ValueError):
            self._policy.check(str(ipaddress.ip_address(host)), port)


async def _read(response: aiohttp.ClientResponse, limit: int) -> tuple[bytes, bool]:
    """Read a body up to `limit` bytes on the wire; say whether it was cut there."""
    parts, size = [], 0
    async for chunk in response.content.iter_chunked(CHUNK):
        parts.append(chunk)
        size += len(chunk)
        if size > limit:
            response.close()
            return b"".join(parts)[:limit], True
    return b"".join(parts), False


def _decode(wire: bytes, encodings: str, limit: int) -> tuple[bytes, bool]:
    """Undo content coding up to `limit` bytes out; say whether it was cut there. A wrong label leaves the bytes."""
    body = wire
    for encoding in reversed([name.strip().lower() for name in encodings.split(",") if name.strip()]):
        try:
            body = b"".join(_bounded(_decompress(body, encoding, limit + 1), limit + 1))
        except (zlib.error, brotli.error, zstandard.ZstdError):
            return wire, False
    return body[:limit], len(body) > limit


def _bounded(chunks: Iterator[bytes], limit: int) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        yield chunk[: limit - size]
        size += len(chunk)
        if size >= limit:
            return


def _decompress(data: bytes, encoding: str, limit: int) -> Iterator[bytes]:
    """Yield decompressed chunks, never more than about `limit` bytes at a time."""
    if encoding in ("gzip", "x-gzip") and data[:2] == b"\x1f\x8b":
        yield zlib.decompressobj(31).decompress(data, limit)
    elif encoding == "deflate":
        raw = data[:1] and data[0] & 0x0F != 8
        yield zlib.decompressobj(-15 if raw else 15).decompress(data, limit)
    elif encoding == "br":
        yield brotli.Decompressor().process(data, output_buffer_limit=limit)
    elif encoding == "zstd":
        with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(data) as reader:
            yield reader.read(limit)
    else:
        yield data


def _request_head(response: aiohttp.ClientResponse) -> bytes:
    info = response.request_info
    lines = [f"{info.method} {info.url.raw_path_qs} HTTP/1.1", *(f"{n}: {v}" for n, v in info.headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "replace")


def _response_head(response: aiohttp.ClientResponse) -> bytes:
    """Return the status line and headers; transfer coding is undone, so its header goes."""
    status = f"HTTP/1.1 {response.status} {response.reason or ''}".rstrip().encode("latin-1", "replace")
    headers = [n + b": " + v for n, v in response.raw_headers if n.lower() != b"transfer-encoding"]
    return b"\r\n".join([status, *headers, b"", b""])


def _peer(response: aiohttp.ClientResponse) -> str | None:
    connection = response.connection
    transport = connection.transport if connection else None
    peer = transport.get_extra_info("peername") if transport else None
    return str(peer[0]) if peer else None


def _timeout_class(error: BaseException) -> str:
    text = type(error).__name__
    return "connect_timeout" if "Connection" in text else "idle_timeout" if "Socket" in text else "total_timeout"


def _failure(error: BaseException) -> Rejected | Dead:
    """Return the outcome of a failed exchange; a refusal that aiohttp wrapped is a rejection."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, RefusedError):
            return Rejected(cause.reason)
        cause = cause.__cause__ or cause.__context__
    names = {
        aiohttp.ClientConnectorDNSError: "dns_failed",
        aiohttp.ClientConnectorCertificateError: "bad_certificate",
        aiohttp.ClientSSLError: "tls_failed",
        aiohttp.ClientConnectorError: "connect_failed",
        aiohttp.ServerDisconnectedError: "disconnected",
        aiohttp.ClientPayloadError: "body_cut_off",
        aiohttp.ClientResponseError: "bad_http",
        aiohttp.InvalidURL: "bad_url",
        socket.gaierror: "dns_failed",
    }
    for cls, name in names.items():
        if isinstance(error, cls):
            return Rejected(name) if name == "bad_url" else Dead(name, str(error))
    return Dead("network_error", f"{type(error).__name__}: {error}")
