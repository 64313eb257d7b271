"""An aiohttp session whose resolver and sockets enforce the address policy. No other module opens sockets."""

import asyncio
import functools
import socket
import ssl
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.net.exchange.lenient import LenientHandler
from corpusloom.pipelines.net.exchange.names import Names
from corpusloom.pipelines.net.exchange.timeouts import Deadlines
from corpusloom.schemas.addresses import AddressPolicy
from corpusloom.schemas.urls.guarded_http import make_socket

READ_BUFFER = 1 << 18
"""Bytes of the read buffer of one connection."""


def is_local_name(host: str) -> bool:
    """Return whether a name always means loopback (RFC 6761, section 6.3), so that it needs no resolver."""
    return host == "localhost" or host.endswith(".localhost")


def is_literal(host: str) -> bool:
    """Return whether a host is an IP address and not a name."""
    return ":" in host or host.replace(".", "").isdigit()


class GuardedResolver(AbstractResolver):
    """Resolves names and checks all their addresses, also cached ones; one forbidden address refuses the name.

    A name has a deadline of its own, so that the fetch's stands still meanwhile; then its time to connect begins anew.
    """

    def __init__(
        self, policy: AddressPolicy, names: Names, deadlines: Deadlines | None = None, connect_timeout: float = 0.0
    ) -> None:
        self._policy, self._names, self._deadlines = policy, names, deadlines
        self._connect_timeout = connect_timeout

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_UNSPEC) -> list[ResolveResult]:
        """Return the addresses of a name; raise RefusedError if the policy forbids one of them."""
        addresses = ["127.0.0.1"] if is_local_name(host) else await self._find(host)
        if not addresses:
            raise OSError(f"{host} has no address")
        for address in addresses:
            self._policy.check(address, port)
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

    async def _find(self, host: str) -> list[str]:
        deadline = self._deadlines.current() if self._deadlines is not None else None
        if deadline is None:
            return await self._names.find(host)
        with deadline.paused():
            found = await self._names.find(host)
        deadline.enter("connect", self._connect_timeout)
        return found

    async def close(self) -> None:
        """Do nothing: the resolver holds no resource."""


class GuardedResponse(aiohttp.ClientResponse):
    """A response with the address of its peer, and with a timeout for its headers."""

    peer: str | None = None
    """IP address of the server."""

    def __init__(self, deadlines: Deadlines, header_timeout: float, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._deadlines, self._header_timeout = deadlines, header_timeout

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        """Store the peer's address, which aiohttp drops with the connection, and read the headers."""
        deadline = self._deadlines.current()
        if deadline is not None:
            deadline.enter("header", self._header_timeout)
        name = connection.transport.get_extra_info("peername") if connection.transport else None
        self.peer = str(name[0]) if name else None
        return await super().start(connection)


def _trust(ca_file: str | None) -> ssl.SSLContext | bool:
    """Return True (aiohttp's default, the system's certificates), or a context that also trusts `ca_file`."""
    if ca_file is None:
        return True
    context = ssl.create_default_context()
    context.load_verify_locations(ca_file)
    return context


def open_session(
    config: FetchConfig, policy: AddressPolicy, names: Names, deadlines: Deadlines
) -> aiohttp.ClientSession:
    """Open a session without cookies and proxies; redirects, decoding and timeouts are left to the Fetcher."""
    connector = aiohttp.TCPConnector(
        limit=0,  # the scheduler limits connections; a wait inside aiohttp would count against the timeouts of a fetch
        ssl=_trust(config.ca_file),
        resolver=GuardedResolver(policy, names, deadlines, config.connect_timeout),
        socket_factory=functools.partial(make_socket, policy),
        use_dns_cache=False,  # the resolver has a cache, and checks also cached addresses
        keepalive_timeout=15,
    )
    connector._factory = functools.partial(LenientHandler, asyncio.get_running_loop())  # type: ignore[assignment]
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        response_class=functools.partial(GuardedResponse, deadlines, config.header_timeout),  # type: ignore[arg-type]
        trust_env=False,
        max_line_size=config.max_header_bytes,
        max_field_size=config.max_header_bytes,
        read_bufsize=READ_BUFFER,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        timeout=aiohttp.ClientTimeout(total=None),
    )
