"""The only place where sockets are made: aiohttp's session with the policy at its resolver and its sockets."""

import asyncio
import functools
import socket
import ssl
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.net.exchange.timeouts import Deadlines
from corpusloom.schemas.addresses import AddressPolicy, RefusedError

Resolver = Callable[[str], list[str]]
"""Names to addresses, for tests and for hosts of one's own; the policy checks what it answers."""
READ_BUFFER = 1 << 18


def is_local_name(host: str) -> bool:
    """Say whether a name is loopback by definition (RFC 6761, section 6.3): no resolver is asked for it."""
    return host == "localhost" or host.endswith(".localhost")


class GuardedResolver(AbstractResolver):
    """Names to addresses, each checked: one forbidden address among the answers refuses the name."""

    def __init__(self, policy: AddressPolicy, hook: Resolver | None, timeout: float) -> None:
        self._policy, self._hook, self._timeout = policy, hook, timeout

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_UNSPEC) -> list[ResolveResult]:
        """Return the addresses of a name; raise RefusedError when the policy forbids one of them."""
        addresses = await self._addresses(host)
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

    async def _addresses(self, host: str) -> list[str]:
        if is_local_name(host):
            return ["127.0.0.1"]
        if self._hook is not None:
            return self._hook(host)
        loop = asyncio.get_running_loop()
        found = await asyncio.wait_for(loop.getaddrinfo(host, None, type=socket.SOCK_STREAM), self._timeout)
        return list(dict.fromkeys(str(row[4][0]) for row in found))

    async def close(self) -> None:
        """Nothing is held."""


def make_socket(policy: AddressPolicy, info: Any) -> socket.socket:
    """Make the socket of a connection, after the policy has seen the address that it goes to."""
    family, kind, proto, _, address = info
    policy.check(str(address[0]), int(address[1]))
    return socket.socket(family=family, type=kind, proto=proto)


class GuardedResponse(aiohttp.ClientResponse):
    """A response that remembers the address it came from, and whose headers have a deadline once they are asked for."""

    peer: str | None = None

    def __init__(self, deadlines: Deadlines, header_timeout: float, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._deadlines, self._header_timeout = deadlines, header_timeout

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        """Read the headers, with the connection still at hand."""
        deadline = self._deadlines.current()
        if deadline is not None:
            deadline.enter("header", self._header_timeout)
        name = connection.transport.get_extra_info("peername") if connection.transport else None
        self.peer = str(name[0]) if name else None
        return await super().start(connection)


def _trust(ca_file: str | None) -> ssl.SSLContext | bool:
    """Return whom to trust: the system's certificates (aiohttp's own context, made once), and a file's."""
    if ca_file is None:
        return True
    context = ssl.create_default_context()
    context.load_verify_locations(ca_file)
    return context


def open_session(
    config: FetchConfig, policy: AddressPolicy, resolver: Resolver | None, deadlines: Deadlines
) -> aiohttp.ClientSession:
    """Open a session that keeps no cookies, uses no proxy, follows nothing by itself, decodes and times nothing."""
    connector = aiohttp.TCPConnector(
        limit=0,  # the crowd bounds what is in flight; waiting in here would count against a fetch's deadlines
        ssl=_trust(config.ca_file),
        resolver=GuardedResolver(policy, resolver, config.connect_timeout),
        socket_factory=functools.partial(make_socket, policy),
        use_dns_cache=True,
        ttl_dns_cache=int(config.dns_seconds),
        keepalive_timeout=15,
    )
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


def refusal_of(error: BaseException) -> RefusedError | None:
    """Return the refusal that aiohttp wrapped in an error of its own, if there is one."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        if isinstance(cause, RefusedError):
            return cause
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
    return None
