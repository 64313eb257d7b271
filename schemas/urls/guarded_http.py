"""HTTP connections that an address policy checks: sockets, and clients for fsspec's http filesystem."""

import functools
import socket
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from corpusloom.schemas.addresses import SCHEMES, AddressPolicy, RefusedError

if TYPE_CHECKING:
    import aiohttp


def make_socket(policy: AddressPolicy, info: Any) -> socket.socket:
    """Return the socket of a connection after the policy has checked the address that it connects to."""
    family, kind, proto, _, address = info
    policy.check(str(address[0]), int(address[1]))
    return socket.socket(family=family, type=kind, proto=proto)


def refusal_of(error: BaseException) -> RefusedError | None:
    """Return the refusal among the causes of an aiohttp error, or None."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        if isinstance(cause, RefusedError):
            return cause
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
    return None


@functools.lru_cache(maxsize=64)
def guarded_client(policy: AddressPolicy) -> "Callable[..., Awaitable[aiohttp.ClientSession]]":
    """Return fsspec's `get_client` for a policy: redirects and names are checked where they connect, like the URL."""

    async def open_client(loop: Any = None, **options: Any) -> "aiohttp.ClientSession":
        import aiohttp  # takes a tenth of a second, which local datasets need not wait for

        connector = aiohttp.TCPConnector(socket_factory=functools.partial(make_socket, policy))
        return aiohttp.ClientSession(connector=connector, loop=loop, **{**options, "trust_env": False})

    return open_client


def check_url(policy: AddressPolicy, url: str) -> None:
    """Raise RefusedError if the host of an http URL has an address that the policy refuses."""
    for address, port in _resolved(url):
        policy.check(address, port)


def addresses_of(urls: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses and ports of the hosts of http URLs, as entries of `AddressPolicy.allow`.

    These are hosts that the user named; hosts that only a file names get no entry.
    """
    found = dict.fromkeys(place for url in urls for place in _resolved(url))
    return tuple(f"[{address}]:{port}" if ":" in address else f"{address}:{port}" for address, port in found)


def _resolved(url: str) -> list[tuple[str, int]]:
    """Return addresses and port of an http URL's host; none for other URLs and for names without an address."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES or not parts.hostname:
            return []
        port = parts.port or SCHEMES[parts.scheme]
        rows = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        return []  # the first read reports it
    return [(str(row[4][0]).partition("%")[0], port) for row in rows]
