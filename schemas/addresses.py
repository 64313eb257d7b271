"""The address policy: connections go to public unicast addresses only, whatever URL, name or redirect leads there."""

import ipaddress
import re
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote, urljoin, urlsplit

from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.urls.hosts import host_and_port

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SCHEMES = {"http": 80, "https": 443}
"""Schemes that may be fetched -> their default ports."""
PORTS = frozenset((80, 443, 8080, 8443))
"""Ports that may be connected to."""
MAX_URL = 8_192
"""Characters of a URL; a longer one is refused."""

SPECIAL = (
    ("0.0.0.0/8", "this network, RFC 791"),
    ("10.0.0.0/8", "private, RFC 1918"),
    ("100.64.0.0/10", "shared by carriers, RFC 6598; metadata of Alibaba Cloud"),
    ("127.0.0.0/8", "loopback, RFC 1122"),
    ("168.63.129.16/32", "Azure's host: a public number for an internal service"),
    ("169.254.0.0/16", "link local, RFC 3927; metadata of AWS, Google, Azure"),
    ("172.16.0.0/12", "private, RFC 1918"),
    ("192.0.0.0/24", "protocol assignments, RFC 6890; metadata of Oracle Cloud"),
    ("192.0.2.0/24", "documentation, RFC 5737"),
    ("192.31.196.0/24", "AS112, RFC 7535"),
    ("192.52.193.0/24", "AMT, RFC 7450"),
    ("192.88.99.0/24", "6to4 relays, RFC 7526"),
    ("192.168.0.0/16", "private, RFC 1918"),
    ("192.175.48.0/24", "AS112, RFC 7534"),
    ("198.18.0.0/15", "benchmarking, RFC 2544"),
    ("198.51.100.0/24", "documentation, RFC 5737"),
    ("203.0.113.0/24", "documentation, RFC 5737"),
    ("224.0.0.0/4", "multicast, RFC 5771"),
    ("240.0.0.0/4", "reserved and broadcast, RFC 1112, RFC 919"),
    ("100::/64", "discard, RFC 6666"),
    ("2001::/23", "protocol assignments, RFC 2928 (Teredo is unwrapped first)"),
    ("2001:db8::/32", "documentation, RFC 3849"),
    ("2620:4f:8000::/48", "AS112, RFC 7534"),
    ("3fff::/20", "documentation, RFC 9637"),
    ("fc00::/7", "unique local, RFC 4193; metadata of AWS"),
    ("fe80::/10", "link local, RFC 4291"),
    ("fec0::/10", "site local, RFC 3879"),
    ("ff00::/8", "multicast, RFC 4291"),
)
"""(network, reason) of the IANA special-purpose registries, of multicast, and of one cloud's internal address.

`ipaddress.is_global` of Python 3.11 accepts several of them, and every IPv4 address that is embedded in IPv6.
"""

_SPECIAL = tuple(ipaddress.ip_network(text) for text, _ in SPECIAL)
_UNICAST6 = ipaddress.IPv6Network("2000::/3")
_TEREDO = ipaddress.IPv6Network("2001::/32")
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")
_LOW_32 = tuple(ipaddress.IPv6Network(text) for text in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96"))
"""Prefixes of IPv6 addresses with an IPv4 address in the low 32 bits: compatible, mapped, translated (SIIT), NAT64."""


_CLEAN = re.compile(
    r"https?://(?=[^/:]{1,253}[/:])"
    r"(?:(?:[a-z0-9_-]{1,63}\.)*[a-z_-][a-z0-9_-]{0,62}|(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?=\d)|(?=[:/]))){4})"
    r"(?::(?!80/|443/)(?:[1-9]\d{0,3}|[1-5]\d{4}))?"
    r"/[\w.~!$&'()*+,;=:@/%-]*(?:\?[\w.~!$&'()*+,;=:@/%?\[\]-]+)?",
    re.ASCII,
)
_ODD = ("/.", "/%2", "xn--")
"""Texts of URLs that must be parsed: dot segments (`%2e` is a dot) and punycode."""
_URL = re.compile(r"([a-z][a-z0-9+.-]*):[/\\]*([^/\\?#]*)([^?#]*)(\?[^#]*)?", re.I)
_WEB = re.compile(r"(https?:)(/*)", re.I)
_AUTHORITY = re.compile(r"([a-z][a-z0-9+.-]*:)?(//[^/]*)?", re.I)
_EMPTY = "\uffff"
"""Marks an empty segment while a URL is resolved; no character, so that no URL holds it."""
_CONTROLS = "".join(map(chr, range(33)))
"""Characters that browsers remove at both ends of a URL."""


class RefusedError(OSError):
    """Raised for an address, port, scheme or URL that the policy refuses; `reason` is the word for the ledger.

    It is an OSError, so that aiohttp keeps it as the cause of its own connection error.
    """

    def __init__(self, reason: str, what: str) -> None:
        super().__init__(f"{reason}: {what}")
        self.reason = reason


def embedded(address: Address) -> tuple[ipaddress.IPv4Address, ...]:
    """Return the IPv4 addresses embedded in an IPv6 address: mapped, compatible, NAT64, 6to4, Teredo or ISATAP."""
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    number = int(address)
    if any(address in network for network in _LOW_32) and number > 1:
        return (ipaddress.IPv4Address(number & 0xFFFFFFFF),)
    if address in _SIX_TO_FOUR:
        return (ipaddress.IPv4Address(number >> 80 & 0xFFFFFFFF),)
    if address in _TEREDO:
        server, client = number >> 64 & 0xFFFFFFFF, ~number & 0xFFFFFFFF
        return ipaddress.IPv4Address(server), ipaddress.IPv4Address(client)
    if number >> 32 & 0xFDFFFFFF == 0x5EFE:
        return (ipaddress.IPv4Address(number & 0xFFFFFFFF),)
    return ()


def is_public(address: Address) -> bool:
    """Return whether an address, or every IPv4 address embedded in it, is public unicast."""
    inner = embedded(address)
    if inner:
        return all(is_public(part) for part in inner)
    if isinstance(address, ipaddress.IPv6Address) and address not in _UNICAST6:
        return False
    return not any(address in network for network in _SPECIAL if network.version == address.version)


def parse_allowed(entry: str) -> tuple[Network, int | None]:
    """Return network and port of an `allow_addresses` entry: NET, NET:PORT, [NET6] or [NET6]/BITS:PORT."""
    text, port = entry.strip(), ""
    if text.startswith("["):
        inner, _, rest = text[1:].partition("]")
        bits, _, port = rest.partition(":")
        text = inner + bits
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
    try:
        number = int(port) if port else None
        if number is not None and not 0 < number < 65_536:
            raise ValueError(f"port {number} is not 1 to 65535")
        return ipaddress.ip_network(text, strict=False), number
    except ValueError as error:
        raise ConfigError(f"{entry!r}: {error}", where="--allow-addresses", remedy="e.g. 127.0.0.0/8:8765") from error


@dataclass(frozen=True)
class AddressPolicy:
    """The policy of one fetcher: public addresses and common ports, and what an operator allowed explicitly."""

    allow: tuple[str, ...] = ()
    """Allowed networks, NET or NET:PORT; an entry without a port allows every port."""
    _allowed: tuple[tuple[Network, int | None], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_allowed", tuple(parse_allowed(entry) for entry in self.allow))

    def allows(self, address: str, port: int) -> bool:
        """Return whether an operator allowed this address and port explicitly."""
        if not self._allowed:
            return False
        parsed = ipaddress.ip_address(address.partition("%")[0])
        return all(self._lists(part, port) for part in embedded(parsed) or (parsed,))

    def _lists(self, address: Address, port: int) -> bool:
        return any(
            number in (None, port) and address.version == network.version and address in network
            for network, number in self._allowed
        )

    def check(self, address: str, port: int) -> None:
        """Raise RefusedError unless this address and port may be connected to."""
        if not _is_open(address, port) and not self.allows(address, port):
            reason = "port_not_allowed" if _public(address) else "address_not_public"
            raise RefusedError(reason, f"{address} port {port}")

    def check_port(self, port: int) -> None:
        """Raise RefusedError for a port that is allowed on no address."""
        if port not in PORTS and not any(number in (None, port) for _, number in self._allowed):
            raise RefusedError("port_not_allowed", str(port))


@lru_cache(maxsize=4096)
def _public(address: str) -> bool:
    try:
        return is_public(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError as error:
        raise RefusedError("address_not_public", f"{address!r} is no address") from error


def _is_open(address: str, port: int) -> bool:
    return port in PORTS and _public(address)


def is_clean(url: str) -> bool:
    """Return True for most URLs that `clean_url` returns unchanged, and for no other URL."""
    return len(url) <= MAX_URL and not any(text in url for text in _ODD) and _CLEAN.fullmatch(url) is not None


def clean_url(url: str) -> str:
    """Return a URL as browsers request it: without credentials and fragment, with escapes for forbidden characters.

    Its host is in punycode, its path without dot segments, so that rules of robots.txt cannot be bypassed by them.
    Raises RefusedError for a scheme that may not be fetched and for text that is no URL.
    """
    url = url.strip()
    if is_clean(url):
        return url
    if len(url) > MAX_URL:
        raise RefusedError("url_too_long", url[:80])
    match = _URL.match(_stripped(url))
    scheme = match[1].lower() if match else ""
    if match is None or scheme not in SCHEMES:
        raise RefusedError("scheme_not_allowed" if scheme else "bad_url", url[:80])
    try:
        host, port = host_and_port(match[2])
        path = quote(_without_dots(match[3].replace("\\", "/")), safe="!$&'()*+,;=:@/%~")
        query = quote((match[4] or "")[1:], safe="!$&'()*+,;=:@/?%~[]")
    except ValueError as error:  # UnicodeEncodeError for half a character is one
        raise RefusedError("bad_url", url[:80]) from error
    netloc = f"[{host}]" if ":" in host else host
    if port is not None and port != SCHEMES[scheme]:
        netloc = f"{netloc}:{port}"
    return f"{scheme}://{netloc}{path}" + (f"?{query}" if query else "")


def join_url(base: str, reference: str) -> str:
    """Return the URL to which a reference on a page leads in a browser; `clean_url` is still to be applied.

    A backslash is a slash, and any number of slashes may precede a host. Raises ValueError for text that is no URL.
    """
    text = _stripped(reference)
    head = re.split(r"[?#]", text, maxsplit=1)[0]
    head, tail = head.replace("\\", "/"), text[len(head) :]
    absolute = _WEB.match(head)
    if absolute and (absolute[2] or not base.lower().startswith(absolute[1].lower())):
        return head + tail
    head = head[absolute.end() :] if absolute else head
    return resolve(base, ("//" + head.lstrip("/") if head.startswith("//") else head) + tail)


def resolve(base: str, reference: str) -> str:
    """Return `urljoin(base, reference)`, with the empty path segments that it drops: /web/2020/http://b.example/."""
    if "//" not in base[len("https://") :] and "//" not in reference:
        return urljoin(base, reference)
    return urljoin(_marked(base), _marked(reference)).replace(_EMPTY, "")


def _marked(url: str) -> str:
    """Return a URL with a mark in each empty segment of its path."""
    head = re.split(r"[?#]", url, maxsplit=1)[0]
    start = _AUTHORITY.match(head)
    place = start.end() if start else 0
    return head[:place] + re.sub("(?<=/)(?=/)", _EMPTY, head[place:]) + url[len(head) :]


def _stripped(url: str) -> str:
    """Return a URL without outer blanks and controls, and without tabs and line ends, as browsers read it."""
    return re.sub(r"[\t\r\n]", "", url.strip().strip(_CONTROLS))


def _without_dots(path: str) -> str:
    """Return a path without dot segments, however the dots are spelled; "/" for an empty path."""
    kept: list[str] = []
    dots = ""
    for segment in path.split("/")[1:]:
        dots = segment.lower().replace("%2e", ".")
        if dots == "..":
            del kept[-1:]
        elif dots != ".":
            kept.append(segment)
    return "/" + "/".join([*kept, ""] if dots in (".", "..") else kept)


def host_of_clean(url: str) -> str:
    """Return the host of a cleaned URL, as `corpusloom.schemas.identity.host_of` does, without parsing it."""
    place = url.partition("//")[2].partition("/")[0]
    return place[1:].partition("]")[0] if place.startswith("[") else place.partition(":")[0]


def port_of(url: str) -> int:
    """Return the port of a cleaned URL."""
    parts = urlsplit(url)
    return parts.port or SCHEMES[parts.scheme]
