"""One guarded HTTP exchange: deadlines, caps and the address policy, at every hop and for every answer."""

import asyncio
import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from corpusloom.pipelines.net.config import FetchConfig, FetchKind, ignored_proxies
from corpusloom.pipelines.net.exchange.decode import CodingError, decode, is_bomb
from corpusloom.pipelines.net.exchange.errors import TRANSIENT_STATUS, outcome_of
from corpusloom.pipelines.net.exchange.response import FetchOutcome, Response, now
from corpusloom.pipelines.net.exchange.session import Resolver, is_local_name, open_session
from corpusloom.pipelines.net.exchange.sniff import ENOUGH, is_image
from corpusloom.pipelines.net.exchange.timeouts import Deadline, Deadlines
from corpusloom.pipelines.net.permissions.opt_outs import SIGNAL_HEADERS, opt_out, signals_of_headers
from corpusloom.schemas.addresses import AddressPolicy, RefusedError, clean_url, port_of
from corpusloom.schemas.verdicts import Dead, Rejected

logger = logging.getLogger(__name__)

Refuse = Callable[[str], Rejected | None]
"""Says why a URL must not be asked for, whoever redirects to it: a blocklist."""
_ACCEPT: dict[FetchKind, str] = {
    "page": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.5",
    "image": "image/*,*/*;q=0.5",
    "robots": "text/plain,*/*;q=0.5",
}
ACCEPT_ENCODING = "gzip, deflate, br, zstd"
NO_HEADERS: dict[str, str] = {}
_READ = ("etag", "last-modified", "location", "retry-after", *SIGNAL_HEADERS)
"""Headers that an answer is asked for when it is no evidence."""


class Fetcher:
    """Fetches URLs under one configuration; an async context manager. Keeps no cookies, uses no proxy.

    Args:
      config: Limits, wishes, and who we are.
      resolver: Names to addresses, in place of the system's.
      refuse: Says why a URL must not be asked for; asked at every hop.
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
        agent = {"User-Agent": config.user_agent, "Accept-Encoding": ACCEPT_ENCODING}
        self._caps = {kind: config.cap_of(kind) for kind in _ACCEPT}
        self._headers = {kind: {**agent, "Accept": accept} for kind, accept in _ACCEPT.items()}

    async def __aenter__(self) -> "Fetcher":
        notice = ignored_proxies()
        if notice:
            logger.warning(notice)
        self._session = open_session(self.config, self.policy, self._resolver, self._deadlines)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._deadlines.stop()
        if self._session is not None:
            await self._session.close()

    def is_allowed_host(self, url: str) -> bool:
        """Say whether a URL's host is known, without asking the network, to be an address that was allowed."""
        host = urlsplit(url).hostname or ""
        try:
            if is_local_name(host):
                addresses = ["127.0.0.1"]
            elif self._resolver is not None and not _is_literal(host):
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
        """Fetch one URL. A refusal is Rejected, a failure of the network Dead; nothing is raised.

        With `accept_errors` any answer comes back as Response, whatever its status (a WARC keeps it).
        """
        try:
            target = clean_url(url)
        except RefusedError as error:
            return Rejected(error.reason)
        answer = await self.ask(target, kind, conditional(etag, last_modified), follow=True)
        if isinstance(answer, Response) and answer.url != url:
            answer = dataclasses.replace(answer, url=url)
        return self.judge(answer, kind, accept_errors=accept_errors) if isinstance(answer, Response) else answer

    async def ask(
        self,
        target: str,
        kind: FetchKind,
        validators: dict[str, str] = NO_HEADERS,
        *,
        follow: bool = False,
        seconds: float | None = None,
    ) -> FetchOutcome:
        """Ask one cleaned URL and return its answer, whatever its status; with `follow` that of its redirects' end.

        `validators` are the headers of a conditional fetch, `seconds` replaces the configured total.
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
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return outcome_of(error)
        finally:
            self._deadlines.close(deadline)

    async def _follow(
        self, target: str, kind: FetchKind, validators: dict[str, str], follow: bool, deadline: Deadline
    ) -> Response | Rejected:
        hops: tuple[Response, ...] = ()
        while True:
            answer = await self._once(target, kind, validators, deadline)
            if not isinstance(answer, Response) or not follow or answer.location is None:
                break
            hops = (*hops, answer)
            following = next_hop(hops, self.config.max_redirects)
            if isinstance(following, Rejected):
                return following
            target = following
        if hops and isinstance(answer, Response):
            return dataclasses.replace(answer, url=hops[0].url, hops=hops)
        return answer

    def judge(self, answer: Response, kind: FetchKind, *, accept_errors: bool = False) -> FetchOutcome:
        """Return an answer, or the verdict that its status and its opt-out signals ask for."""
        if accept_errors:
            return answer
        if answer.status in TRANSIENT_STATUS:
            return Dead(f"http_{answer.status}")
        if answer.status == 304 or answer.location is not None:
            return answer
        if not 200 <= answer.status < 300:
            return Rejected(f"http_{answer.status}")
        if kind == "robots" or not answer.signals:
            return answer
        return opt_out(answer.signals, self.config.honour, unit=kind) or answer

    async def _once(
        self, url: str, kind: FetchKind, validators: dict[str, str], deadline: Deadline
    ) -> Response | Rejected:
        """Ask one URL and read its answer."""
        if self._session is None:
            raise RuntimeError("a Fetcher is used inside `async with`")
        refused = self._refuse(url) if self._refuse else None
        if refused is not None:
            return refused
        target = URL(url, encoded=True)
        self.policy.check_port(target.port or 0)
        headers = self._headers[kind] | validators if validators else self._headers[kind]
        deadline.enter("connect", self.config.connect_timeout)  # the session enters "header" once it has asked
        response = await self._session.get(target, headers=headers, allow_redirects=False)
        try:
            fetched_at, address = now(), getattr(response, "peer", None)
            read = await _read(response, kind, self._caps[kind], self.config.idle_timeout, deadline)
        finally:
            response.release() if response.content.is_eof() else response.close()
        if isinstance(read, Rejected):
            return read
        return self._answer(url, kind, response, read, fetched_at, address)

    def _answer(
        self,
        url: str,
        kind: FetchKind,
        response: aiohttp.ClientResponse,
        read: "_Body",
        fetched_at: str,
        address: str | None,
    ) -> Response | Rejected:
        """Decode what was read, and put the answer together."""
        cap = self._caps[kind]
        encoding = response.headers.get("Content-Encoding", "")
        body = read.wire
        if encoding:
            decoded = decode(read.wire, encoding, cap)
            if decoded.cut and is_bomb(read.wire, encoding, cap, self.config.max_ratio):
                return Rejected("decompression_bomb", float(len(read.wire)))
            if decoded.cut and kind == "image":
                return Rejected("decoded_too_large", float(len(decoded.body)), float(cap))
            body = decoded.body
        if kind == "image" and 200 <= response.status < 300 and not is_image(body[:ENOUGH]):
            return Rejected("not_an_image" if body else "empty_body")
        headers = _all_headers(response) if self._evidence else _some_headers(response)
        return Response(
            url=url,
            final_url=url,
            status=response.status,
            request=_request_head(response) if self._evidence else b"",
            response_head=_response_head(response) if self._evidence else b"",
            wire_body=read.wire,
            body=body,
            headers=headers,
            address=address,
            truncated=read.truncated,
            fetched_at=fetched_at,
            signals=signals_of_headers(headers, seen_at=fetched_at),
        )


@dataclass(frozen=True, slots=True)
class _Body:
    """What was read of a body, and why it is not all of it."""

    wire: bytes
    truncated: str | None = None


async def _read(
    response: aiohttp.ClientResponse, kind: FetchKind, cap: int, idle: float, deadline: Deadline
) -> _Body | Rejected:
    """Read a body up to `cap` bytes. A page is cut there, and where time or connection end; an image is rejected."""
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
                return _Body(b"".join(parts)[:cap], "length")
            if image and size == len(chunk) and _is_no_image(response, chunk):
                return Rejected("not_an_image")
    except (aiohttp.ClientPayloadError, aiohttp.ClientOSError):
        if kind != "page" or not size:
            raise
        return _Body(b"".join(parts), "disconnect")
    except asyncio.CancelledError:
        if kind != "page" or not size or deadline.passed != "idle" or deadline.absorb() is None:
            raise
        return _Body(b"".join(parts), "time")
    return _Body(parts[0] if len(parts) == 1 else b"".join(parts))


def _is_no_image(response: aiohttp.ClientResponse, chunk: bytes) -> bool:
    """Say, at the first bytes of a long body, that it is none: the rest is not worth its bytes."""
    if not 200 <= response.status < 300 or "Content-Encoding" in response.headers:
        return False
    return len(chunk) >= ENOUGH and not is_image(chunk[:ENOUGH])


def next_hop(hops: tuple[Response, ...], limit: int) -> str | Rejected:
    """Return the URL that the last of several answers redirects to, or why it is not followed."""
    last = hops[-1]
    if len(hops) > limit:
        return Rejected("too_many_redirects", float(len(hops)), float(limit))
    try:
        target = clean_url(urljoin(last.final_url, (last.location or "").strip()))
    except (RefusedError, ValueError) as error:
        return Rejected(getattr(error, "reason", "bad_url"))
    if any(target == hop.final_url for hop in hops):
        return Rejected("redirect_loop")
    return target


def conditional(etag: str | None, last_modified: str | None) -> dict[str, str]:
    """Return the headers of a conditional fetch."""
    headers = {"If-None-Match": etag} if etag else {}
    return headers | ({"If-Modified-Since": last_modified} if last_modified else {})


def _all_headers(response: aiohttp.ClientResponse) -> tuple[tuple[str, str], ...]:
    return tuple((n.decode("latin-1"), v.decode("utf-8", "replace")) for n, v in response.raw_headers)


def _some_headers(response: aiohttp.ClientResponse) -> tuple[tuple[str, str], ...]:
    """Return the headers that somebody asks for; to decode them all takes as long as to parse them."""
    found = [(name, value) for name in _READ if name in response.headers for value in response.headers.getall(name)]
    return tuple(
        (n, v if v.isascii() else v.encode("utf-8", "surrogateescape").decode("utf-8", "replace")) for n, v in found
    )


def _is_literal(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def _request_head(response: aiohttp.ClientResponse) -> bytes:
    info = response.request_info
    lines = [f"{info.method} {info.url.raw_path_qs} HTTP/1.1", *(f"{n}: {v}" for n, v in info.headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "replace")


def _response_head(response: aiohttp.ClientResponse) -> bytes:
    """Return status line and headers as they came, but for one name.

    Transfer coding is undone in `wire_body`, so its header no longer describes it: it is kept as
    X-Crawler-Transfer-Encoding, as Common Crawl does, and every reader of a WARC agrees on the payload.
    """
    version = response.version or aiohttp.HttpVersion11
    status = f"HTTP/{version.major}.{version.minor} {response.status} {response.reason or ''}"
    coded = b"transfer-encoding"
    lines = [(b"X-Crawler-" if n.lower() == coded else b"") + n + b": " + v for n, v in response.raw_headers]
    return b"\r\n".join([status.encode("utf-8", "replace"), *lines, b"", b""])
