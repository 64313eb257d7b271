"""Which addresses may be connected to: public unicast only, whatever name, redirect or embedding led there."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field

from schemas.errors import ConfigError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PORTS = frozenset((80, 443, 8080, 8443))
SCHEMES = frozenset(("http", "https"))

# IANA special-purpose registries, and what is not unicast: `ipaddress.is_global` of Python 3.11 passes several.
_SPECIAL = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
        "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "::/128", "::1/128", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48",
        "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "64:ff9b:1::/48",
    )
)  # fmt: skip
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")


class RefusedError(Exception):
    """An address, port or scheme that the policy refuses; carries the ledger's reason."""

    def __init__(self, reason: str, what: str) -> None:
        super().__init__(f"{reason}: {what}")
        self.reason = reason


def embedded(address: Address) -> list[Address]:
    """Return the IPv4 addresses that an IPv6 address embeds: mapped, compatible, NAT64, 6to4, Teredo."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found: list[Address] = []
    if address.ipv4_mapped:
        found.append(address.ipv4_mapped)
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if address.sixtofour:
        found.append(address.sixtofour)
    if address.teredo:
        found += address.teredo
    return found


def is_public(address: Address) -> bool:
    """Say whether an address, and every address that it embeds, is public unicast."""
    mapped = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped
    own = mapped or not any(address in network for network in _SPECIAL if network.version == address.version)
    return bool(own) and all(is_public(inner) for inner in embedded(address))


def parse_allowed(entry: str) -> tuple[Network, int | None]:
    """Return the network and port of an --allow-addresses entry: NET or NET:PORT ([NET6]:PORT)."""
    text, port = entry, None
    if entry.startswith("["):
        text, _, rest = entry[1:].partition("]")
        text, port = text + rest.partition(":")[0], rest.partition(":")[2] or None
    elif entry.count(":") == 1:
        text, _, port = entry.partition(":")
    try:
        return ipaddress.ip_network(text, strict=False), int(port) if port else None
    except ValueError as error:
        raise ConfigError(f"{entry!r}: {error}", where="--allow-addresses", remedy="e.g. 127.0.0.0/8:8765") from error


@dataclass(frozen=True)
class AddressPolicy:
    """The policy of one fetcher: public addresses and common ports, plus what an operator allowed explicitly."""

    allow: tuple[str, ...] = ()
    _allowed: tuple[tuple[Network, int | None], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_allowed", tuple(parse_allowed(entry) for entry in self.allow))

    def allows(self, address: Address, port: int) -> bool:
        """Say whether an operator allowed this address and port."""
        return any(
            address.version == network.version and address in network and number in (None, port)
            for network, number in self._allowed
        )

    def check(self, address: str, port: int) -> None:
        """Raise RefusedError unless this address and port may be connected to."""
        parsed = ipaddress.ip_address(address.split("%")[0])
        if self.allows(parsed, port):
            return
        if not is_public(parsed):
            raise RefusedError("address_not_public", address)
        if port not in PORTS:
            raise RefusedError("port_not_allowed", str(port))

    def check_all(self, addresses: Iterable[str], port: int) -> None:
        """Check each of several addresses."""
        for address in addresses:
            self.check(address, port)
