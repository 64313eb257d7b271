"""Guarded HTTP fetches: timeouts, size caps and the address policy apply to each request and redirect."""

import asyncio
import dataclasses
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from corpusloom.pipelines.net.config import FetchConfig, FetchKind, ignored_proxies
from corpusloom.pipelines.net.exchange.body import read_body
from corpusloom.pipelines.net.exchange.body_buffer import BodyBuffer
from corpusloom.pipelines.net.exchange.decode import CodingError, decode
from corpusloom.pipelines.net.exchange.errors import TRANSIENT_STATUSES, verdict_of_error
from corpusloom.pipelines.net.exchange.heads import all_headers, read_headers, request_head, response_head
from corpusloom.pipelines.net.exchange.names import Names, Resolver, system_addresses
from corpusloom.pipelines.net.exchange.redirects import next_hop
from corpusloom.pipelines.net.exchange.refresh import refresh_target
from corpusloom.pipelines.net.exchange.response import (
    REDIRECT_STATUSES,
    FetchOutcome,
    Response,
    is_partial,
    is_success,
    now,
)
from corpusloom.pipelines.net.exchange.session import GuardedResponse, is_literal, is_local_name, open_session
from corpusloom.pipelines.net.exchange.sniff import SNIFFED_BYTES, is_image
from corpusloom.pipelines.net.exchange.timeouts import Deadline, Deadlines
from corpusloom.pipelines.net.permissions.opt_outs import opt_out, signals_of_headers
from corpusloom.schemas.addresses import AddressPolicy, RefusedError, clean_url, port_of
from corpusloom.schemas.verdicts import Dead, Rejected

logger = logging.getLogger(__name__)

Refuse = Callable[[str], Rejected | None]
"""URL -> the rejection if the URL must not be requested (for example by a blocklist), else None."""
_ACCEPT: dict[FetchKind, str] = {
    "page": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.5",
    "image": "image/*,*/*;q=0.5",
    "robots": "text/plain,*/*;q=0.5",
}
ACCEPT_ENCODING = "gzip, deflate, br, zstd"
NO_HEADERS: dict[str, str] = {}
DECODERS = 2
"""Bodies that are decoded at the same time, in one thread each."""
MAX_REDIRECT_BODY = 16_384
"""Bytes of the body of a redirect that are read. It is kept while the URL waits for the next domain."""


class Fetcher:
    """Fetches URLs under one configuration; an async context manager. Sends no cookies and uses no proxy.

    Args:
      config: Limits, opt-out signals and identity.
      resolver: Resolves names in place of the system's resolver.
      refuse: Rejects URLs that must not be requested; called at every redirect.
      evidence: Keep the heads of request and response, which a WARC needs.
    """

    def __init__(
        self,
        config: FetchConfig,
        resolver: Resolver | None = None,
        *,
        refuse: Refuse | None = None,
        evidence: bool = True,
    ) -> None:
        config.require_contact()
        self._refuse, self._evidence = refuse, evidence
        self._deadlines = Deadlines()
        self.config = config
        self.policy = AddressPolicy(config.allow_addresses)
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None
        self._decoders, self._decoding = ThreadPoolExecutor(DECODERS, "decode"), asyncio.Semaphore(DECODERS)
        agent = {"User-Agent": config.user_agent, "Accept-Encoding": ACCEPT_ENCODING}
        self._caps = {kind: config.cap_of(kind) for kind in _ACCEPT}
        self._headers = {kind: {**agent, "Accept": accept} for kind, accept in _ACCEPT.items()}

    async def __aenter__(self) -> "Fetcher":
        notice = ignored_proxies()
        if notice:
            logger.warning(notice)
        names = Names(self._resolver or system_addresses, self.config.connect_timeout, self.config.dns_seconds)
        self._session = open_session(self.config, self.policy, names, self._deadlines)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._deadlines.stop()
        self._decoders.shutdown(wait=False, cancel_futures=True)
        if self._session is not None:
            await self._session.close()

    def is_allowed_host(self, url: str) -> bool:
        """Return whether all addresses of a URL's host are explicitly allowed; decided without a network request."""
        host = urlsplit(url).hostname or ""
        try:
            if is_local_name(host):
                addresses = ["127.0.0.1"]
            elif self._resolver is not None and not is_literal(host):
                addresses = self._resolver(host)
            else:
                addresses = [host]
            return bool(addresses) and all(self.policy.allows(item, port_of(url)) for item in addresses)
        except (ValueError, OSError):
            return False

    async def fetch(
        self,
        url: str,
        kind: FetchKind = "page",
        *,
        etag: str | None = None,
        last_modified: str | None = None,
        accept_errors: bool = False,
    ) -> FetchOutcome:
        """Fetch one URL; return Rejected for a refusal and Dead for an error, and raise only shortages of this machine.

        With `accept_errors` a response of any status is returned, for a WARC.
        """
        try:
            target = clean_url(url)
        except (RefusedError, ValueError) as error:
            return verdict_of_error(error)
        outcome = await self.ask(target, kind, conditional(etag, last_modified), follow=True)
        if isinstance(outcome, Response) and outcome.url != url:
            outcome = dataclasses.replace(outcome, url=url)
        return self.judge(outcome, kind, accept_errors=accept_errors) if isinstance(outcome, Response) else outcome

    async def ask(
        self,
        target: str,
        kind: FetchKind,
        validators: dict[str, str] = NO_HEADERS,
        *,
        follow: bool = False,
        seconds: float | None = None,
    ) -> FetchOutcome:
        """Request a cleaned URL and return the response of any status; with `follow`, that of the last redirect.

        `validators` are the headers of a conditional request, `seconds` replaces the configured total timeout.
        """
        deadline = self._deadlines.begin(self.config.total_timeout if seconds is None else seconds)
        try:
            return await self._follow(target, kind, validators, follow, deadline)
        except asyncio.CancelledError:
            passed = deadline.absorb()
            if passed is None:
                raise
            return Dead(f"timeout_{passed}")
        except CodingError as error:
            return Rejected(error.reason)
        except Exception as error:
            return verdict_of_error(error)
        finally:
            self._deadlines.close(deadline)

    async def _follow(
        self, target: str, kind: FetchKind, validators: dict[str, str], follow: bool, deadline: Deadline
    ) -> Response | Rejected:
        hops: tuple[Response, ...] = ()
        while True:
            response = await self._once(target, kind, validators, deadline)
            if not isinstance(response, Response) or not follow or response.location is None:
                break
            following = next_hop((*hops, response), self.config.max_redirects)
            if isinstance(following, Rejected):
                if response.refresh is None:
                    return following
                break
            hops, target = (*hops, response), following
        if hops and isinstance(response, Response):
            return dataclasses.replace(response, url=hops[0].url, hops=hops)
        return response

    def judge(self, response: Response, kind: FetchKind, *, accept_errors: bool = False) -> FetchOutcome:
        """Return a response, or the verdict on its status and its opt-out signals."""
        if accept_errors:
            return response
        if response.status in TRANSIENT_STATUSES:
            return Dead(f"http_{response.status}")
        if response.status == 304 or (response.location is not None and response.refresh is None):
            return response
        if not 200 <= response.status < 300:
            return Rejected(f"http_{response.status}")
        if is_partial(response.status, response.header("content-range")):
            return Dead("http_206")
        if kind == "robots" or not response.signals:
            return response
        return opt_out(response.signals, self.config.honour, unit=kind) or response

    async def _once(
        self, url: str, kind: FetchKind, validators: dict[str, str], deadline: Deadline
    ) -> Response | Rejected:
        """Request one URL and read its response."""
        if self._session is None:
            raise RuntimeError("a Fetcher is used inside `async with`")
        refused = self._refuse(url) if self._refuse else None
        if refused is not None:
            return refused
        target = URL(url, encoded=True)
        self.policy.check_port(target.port or 0)
        headers = self._headers[kind] | validators if validators else self._headers[kind]
        deadline.enter("connect", self.config.connect_timeout)  # GuardedResponse.start enters "header"
        raw = await self._session.get(target, headers=headers, allow_redirects=False)
        fetched_at, address = now(), raw.peer if isinstance(raw, GuardedResponse) else None
        redirects = _redirects(raw)
        read_as: FetchKind = "page" if redirects else kind
        cap = MAX_REDIRECT_BODY if redirects else self._caps[kind]
        with BodyBuffer() as buffer:
            try:
                truncated = await read_body(raw, read_as, cap, self.config.idle_timeout, deadline, buffer)
            finally:
                raw.release() if raw.content.is_eof() else raw.close()
            if isinstance(truncated, Rejected):
                return truncated
            if redirects:  # its body is kept as evidence only, and not decoded
                bodies: tuple[bytes, bytes] | Rejected = buffer.read(cap) if self._evidence else b"", b""
            elif "Content-Encoding" in raw.headers:
                bodies = await self._decoded(raw, kind, buffer, deadline)
            else:
                wire = buffer.read(cap)
                bodies = wire, wire
        if isinstance(bodies, Rejected):
            return bodies
        return self._complete(url, kind, raw, *bodies, truncated, fetched_at, address)

    async def _decoded(
        self, raw: aiohttp.ClientResponse, kind: FetchKind, buffer: BodyBuffer, deadline: Deadline
    ) -> tuple[bytes, bytes] | Rejected:
        """Return a body with and without its content coding.

        A bomb would block the event loop, so a thread decodes. At most `DECODERS` bodies are in memory decoded.
        """
        cap, encoding = self._caps[kind], ", ".join(raw.headers.getall("Content-Encoding", ()))
        loop = asyncio.get_running_loop()
        with deadline.paused():
            async with self._decoding:
                wire = buffer.read(cap)
                decoded = await loop.run_in_executor(self._decoders, decode, wire, encoding, cap, self.config.max_ratio)
        if decoded.bomb:
            return Rejected("decompression_bomb", float(len(wire)))
        if decoded.cut and kind == "image":
            return Rejected("decoded_too_large", float(len(decoded.body)), float(cap))
        return wire, decoded.body

    def _complete(
        self,
        url: str,
        kind: FetchKind,
        raw: aiohttp.ClientResponse,
        wire: bytes,
        body: bytes,
        truncated: str | None,
        fetched_at: str,
        address: str | None,
    ) -> Response | Rejected:
        """Return the complete response."""
        if kind == "image" and is_success(raw.status) and not is_image(body[:SNIFFED_BYTES]):
            return Rejected("not_an_image" if body else "empty_body")
        headers = all_headers(raw) if self._evidence else read_headers(raw)
        return Response(
            url=url,
            final_url=url,
            status=raw.status,
            request=request_head(raw) if self._evidence else b"",
            response_head=response_head(raw) if self._evidence else b"",
            wire_body=wire,
            body=body,
            headers=headers,
            address=address,
            truncated=truncated,
            refresh=_refresh(raw, body, url) if kind == "page" and 200 <= raw.status < 300 else None,
            fetched_at=fetched_at,
            signals=signals_of_headers(headers, seen_at=fetched_at),
        )


def _refresh(raw: aiohttp.ClientResponse, body: bytes, url: str) -> str | None:
    """Return the URL to which an HTML page redirects, else None."""
    is_html = "html" in raw.headers.get("Content-Type", "text/html").lower()
    return refresh_target(body, raw.headers.get("Refresh"), url) if is_html else None


def _redirects(raw: aiohttp.ClientResponse) -> bool:
    """Return whether a response leads to another URL."""
    return raw.status in REDIRECT_STATUSES and "Location" in raw.headers


def conditional(etag: str | None, last_modified: str | None) -> dict[str, str]:
    """Return the headers of a conditional request."""
    headers = {"If-None-Match": etag} if etag else {}
    return headers | ({"If-Modified-Since": last_modified} if last_modified else {})
