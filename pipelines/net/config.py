"""Configuration of the fetcher: identity, limits per host and per response, opt-out signals."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from corpusloom.schemas.addresses import AddressPolicy
from corpusloom.schemas.errors import ConfigError

TOKEN = "corpusloom"  # noqa: S105 - the product token in User-Agent and robots.txt, not a secret
SIGNALS = (
    "noai",
    "noimageai",
    "noml",
    "noindex",
    "noimageindex",
    "train-ai",
    "ai-train",
    "tdm-reservation",
    "ai.txt",
    "iptc",
    "c2pa",
)
"""Opt-out signals that are honoured by default."""
SLOTS_WITHOUT_DELAY = 32
"""Concurrent fetches per registered domain that is fetched without a delay."""

REACHABLE = re.compile(r"https?://[^\s/@]+\.[^\s/@]+(/\S*)?|(mailto:)?[^\s@:/]+@[^\s@/]+\.[^\s@/.]+")
"""An http(s) URL or a mail address, each with a dot in its host."""
GIVE_CONTACT = "give a URL or mail address, e.g. --contact https://example.org/bot"

FetchKind = Literal["page", "image", "robots"]
"""Kind of resource; it decides caps, delay and Accept header."""
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchConfig:
    """Configuration of one fetcher. Times are in seconds, sizes in bytes."""

    contact: str | None = None
    """URL or mail address, by which a site's owner can reach you; part of the User-Agent."""
    allow_addresses: tuple[str, ...] = ()
    """Private or loopback networks that may be fetched: NET or NET:PORT."""
    delay: float | None = None
    """Seconds between two fetches of one registered domain; None: `page_delay` or `image_delay`."""
    i_own_these_hosts: bool = False
    """Whether all hosts are yours, so that `delay` 0 applies to all of them."""
    slots: int | None = None
    """Concurrent fetches per registered domain; None: `page_slots` or `image_slots`, or 32 if `delay` is 0."""
    page_delay: float = 1.0
    """Default delay between two pages of one registered domain."""
    image_delay: float = 0.1
    """Default delay between two images of one registered domain."""
    page_slots: int = 1
    """Default number of concurrent page fetches per registered domain."""
    image_slots: int = 4
    """Default number of concurrent image fetches per registered domain."""
    connections: int = 128
    """Concurrent fetches over all hosts."""
    connect_timeout: float = 10.0
    """Time limit for name resolution, and again for TCP and TLS together."""
    header_timeout: float = 20.0
    """Time limit from the start of the request to the end of the response's headers."""
    idle_timeout: float = 20.0
    """Time limit between two chunks of a body."""
    total_timeout: float = 60.0
    """Time limit for a fetch with its redirects; waiting for the domain is not counted."""
    dns_seconds: float = 300.0
    """Time for which a resolved name is cached; its address is still checked at each connection."""
    max_redirects: int = 5
    max_header_bytes: int = 16_384
    """Bytes of one header line; a response has at most 128 lines."""
    max_page_bytes: int = 10_000_000
    """Bytes of a page, on the wire and decoded; a longer page is truncated."""
    max_image_bytes: int = 30_000_000
    """Bytes of an image, on the wire and decoded; a larger image is rejected."""
    max_ratio: float = 100.0
    """Decoded bytes per wire byte above which a body over its cap is a decompression bomb; so is four times the cap."""
    max_crawl_delay: float = 30.0
    """Largest Crawl-delay that is obeyed; URLs of a host with a longer one are rejected."""
    max_retry_after: float = 120.0
    """Largest Retry-After that is waited for; after a longer one the circuit breaker of the host opens."""
    retries: int = 2
    """Retries after 429, 502, 503, 504 and broken connections."""
    breaker_failures: int = 5
    """Failures in a row that open the circuit breaker of a host."""
    breaker_seconds: float = 300.0
    """Time after which an open circuit breaker lets one fetch through as a probe."""
    max_fetches: int | None = None
    """Budget of fetches per host; None is no limit."""
    stop_after: int = 1_000
    """Name or connection errors in a row, over many hosts, after which the run stops: our own network is down."""
    honour: tuple[str, ...] = SIGNALS
    """Opt-out signals that are honoured; a resource with one of them is rejected."""
    agents: tuple[str, ...] = ()
    """Other crawlers whose robots.txt groups are obeyed besides ours, such as CCBot."""
    robots_txt: bool = True
    """Whether robots.txt (RFC 9309) is obeyed."""
    robots_seconds: float = 86_400.0
    """Time for which robots.txt, tdmrep.json and ai.txt of an origin are cached."""
    ca_file: str | None = None
    """Path of a PEM file with certificates to trust besides the system's."""

    def __post_init__(self) -> None:
        policy = AddressPolicy(self.allow_addresses)  # refuses a malformed entry before anything runs
        if self.delay is not None and self.delay < 0:
            raise ConfigError(f"--delay {self.delay} is negative", remedy="give seconds, 0 or more")
        if self.delay == 0 and not (policy.allow or self.i_own_these_hosts):
            raise ConfigError(
                "--delay 0 would overload other people's hosts",
                remedy="leave it out, or add --allow-addresses or --i-own-these-hosts",
            )
        if self.contact is not None:
            self._check_contact(self.contact)
        unknown = sorted(set(self.honour) - set(SIGNALS))
        if unknown:
            raise ConfigError(f"unknown opt-out signal {unknown[0]!r}", remedy=f"known: {', '.join(SIGNALS)}")
        if self.connections < 1 or (self.slots is not None and self.slots < 1):
            raise ConfigError("connections or slots below 1 allow no fetch", remedy="set both to 1 or more")

    @property
    def user_agent(self) -> str:
        """The User-Agent: product token, version and contact."""
        return f"{TOKEN}/{_version()} (+{self.contact})"

    @property
    def no_delay(self) -> bool:
        """Whether allowed addresses (or all hosts, if they are yours) are fetched without a delay."""
        return self.delay == 0

    def delay_of(self, kind: FetchKind) -> float:
        """Return the seconds between two fetches of one registered domain."""
        return self.delay if self.delay is not None else self.image_delay if kind == "image" else self.page_delay

    def slots_of(self, kind: FetchKind) -> int:
        """Return the number of concurrent fetches per registered domain."""
        if self.slots is not None:
            return self.slots
        return SLOTS_WITHOUT_DELAY if self.no_delay else self.image_slots if kind == "image" else self.page_slots

    def cap_of(self, kind: FetchKind) -> int:
        """Return the size limit of a body, in bytes."""
        return {"page": self.max_page_bytes, "image": self.max_image_bytes, "robots": 512_000}[kind]

    def require_contact(self) -> None:
        """Raise ConfigError without a contact."""
        if self.contact is None:
            raise ConfigError(
                "a contact is required, so that a site's owner can reach you", where="--contact", remedy=GIVE_CONTACT
            )

    def _check_contact(self, contact: str) -> None:
        """Raise ConfigError for a contact that reaches nobody, or that would break the header."""
        if not (contact.isprintable() and contact.isascii()):
            raise ConfigError(f"{contact!r} is not printable ASCII", where="--contact", remedy="use ASCII")
        if not REACHABLE.fullmatch(contact):
            raise ConfigError(
                f"{contact!r} is no http(s) URL and no mail address", where="--contact", remedy=GIVE_CONTACT
            )


def _version() -> str:
    try:
        return version("corpusloom")
    except PackageNotFoundError:
        return "0"


def ignored_proxies(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return a warning that the environment's proxies are ignored; None if it has none.

    A proxied socket connects to the proxy's address, so the address policy could not check the server's.
    """
    found = sorted(name for name, value in environ.items() if value and name.lower() in PROXY_VARIABLES)
    return f"ignoring {', '.join(found)}: a proxy would bypass the address policy" if found else None
