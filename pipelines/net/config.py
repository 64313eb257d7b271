"""How the open web is fetched: who we are, how polite, which limits, whose wishes."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from corpusloom.schemas.addresses import AddressPolicy
from corpusloom.schemas.errors import ConfigError

TOKEN = "corpusloom"  # noqa: S105 - the name under which sites address us
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
"""Opt-out signals that are honoured unless a recipe says otherwise."""
FREE_SLOTS = 32
"""Fetches at the same time a registered domain where no delay is kept: hosts of one's own."""

FetchKind = Literal["page", "image", "robots"]
"""What is fetched; it decides the caps, the delay and the Accept header."""
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchConfig:
    """One fetcher's configuration: times in seconds, sizes in bytes."""

    contact: str | None = None
    """A URL or mail address in the User-Agent, where a site's owner reaches you."""
    allow_addresses: tuple[str, ...] = ()
    """Networks that may be fetched although they are private or loopback: NET or NET:PORT."""
    delay: float | None = None
    """Seconds between two fetches of one registered domain; None: 1 for pages, 0.1 for images."""
    i_own_these_hosts: bool = False
    """Allow `delay` 0 on hosts of your own."""
    slots: int | None = None
    """Fetches at the same time a registered domain; None: 1 for pages, 4 for images, 32 where `delay` is 0."""
    page_delay: float = 1.0
    image_delay: float = 0.1
    page_slots: int = 1
    image_slots: int = 4
    connections: int = 128
    """Fetches at the same time over all hosts."""
    connect_timeout: float = 10.0
    """Name, TCP and TLS together."""
    header_timeout: float = 20.0
    """From the request's start to the end of the response's headers."""
    idle_timeout: float = 20.0
    """Without a byte."""
    total_timeout: float = 60.0
    """A fetch with its redirects, waiting for one's turn left out."""
    dns_seconds: float = 300.0
    """How long a resolved name is believed; the address is checked at every connection all the same."""
    max_redirects: int = 5
    max_header_bytes: int = 16_384
    """Of one header line; a response has at most 128."""
    max_page_bytes: int = 10_000_000
    """Of a page, on the wire and decoded: more is cut."""
    max_image_bytes: int = 30_000_000
    """Of an image, on the wire and decoded: more is rejected."""
    max_ratio: float = 100.0
    """A body over its cap that grew by more than this in decoding, or is four times over it, is a bomb."""
    max_crawl_delay: float = 30.0
    """A host that asks for a longer delay is rejected."""
    max_retry_after: float = 120.0
    """A host that asks to be left alone for longer is left alone for good."""
    retries: int = 2
    """Further attempts after 429, 502, 503, 504 and broken connections."""
    breaker_failures: int = 5
    """Network failures in a row after which a host is left alone."""
    breaker_seconds: float = 300.0
    """After so long one more fetch tries whether the host is back."""
    max_fetches: int | None = None
    """Fetches a host: its budget."""
    stop_after: int = 1_000
    """Failures of name or connection in a row, over many hosts, after which the run stops: it is our network."""
    honour: tuple[str, ...] = SIGNALS
    """Opt-out signals that reject what carries them."""
    agents: tuple[str, ...] = ()
    """Names of other crawlers whose robots.txt groups are obeyed as well as ours, e.g. CCBot."""
    robots_txt: bool = True
    """Obey robots.txt (RFC 9309)."""
    robots_seconds: float = 86_400.0
    """How long a host's robots.txt is believed."""
    ca_file: str | None = None
    """Certificates to trust besides the system's: a file in PEM."""

    def __post_init__(self) -> None:
        policy = AddressPolicy(self.allow_addresses)  # a malformed entry is refused here, before anything runs
        if self.delay is not None and self.delay < 0:
            raise ConfigError(f"--delay {self.delay} is negative", remedy="give seconds, 0 or more")
        if self.delay == 0 and not (policy.allow or self.i_own_these_hosts):
            raise ConfigError(
                "--delay 0 hammers other people's hosts",
                remedy="leave it out, or add --allow-addresses or --i-own-these-hosts",
            )
        unknown = sorted(set(self.honour) - set(SIGNALS))
        if unknown:
            raise ConfigError(f"unknown opt-out signal {unknown[0]!r}", remedy=f"known: {', '.join(SIGNALS)}")
        if self.connections < 1 or (self.slots is not None and self.slots < 1):
            raise ConfigError("no fetch could ever start", remedy="connections and slots are 1 or more")

    @property
    def user_agent(self) -> str:
        """Return the honest User-Agent: who we are and where to complain."""
        return f"{TOKEN}/{_version()} (+{self.contact})"

    @property
    def free(self) -> bool:
        """Say whether allowed addresses, or all, are fetched without a pause."""
        return self.delay == 0

    def delay_of(self, kind: FetchKind) -> float:
        """Return the seconds between two fetches of one registered domain."""
        return self.delay if self.delay is not None else self.image_delay if kind == "image" else self.page_delay

    def slots_of(self, kind: FetchKind) -> int:
        """Return how many fetches of one registered domain run at the same time."""
        if self.slots is not None:
            return self.slots
        return FREE_SLOTS if self.free else self.image_slots if kind == "image" else self.page_slots

    def cap_of(self, kind: FetchKind) -> int:
        """Return the largest body, in bytes."""
        return {"page": self.max_page_bytes, "image": self.max_image_bytes, "robots": 512_000}[kind]

    def require_contact(self) -> None:
        """Refuse to fetch without a contact, or with one that would break the header."""
        if not self.contact or not self.contact.strip():
            raise ConfigError(
                "a site's owner must be able to reach you",
                where="--contact",
                remedy="give a URL or mail address, e.g. --contact https://example.org/bot",
            )
        if not (self.contact.isprintable() and self.contact.isascii()):
            raise ConfigError(f"{self.contact!r} cannot stand in a header", where="--contact", remedy="use ASCII")


def _version() -> str:
    try:
        return version("corpusloom")
    except PackageNotFoundError:
        return "0"


def ignored_proxies(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the line that says that proxies of the environment are not used, or None when there are none.

    Through a proxy the address that is connected to is the proxy's, so the policy would check nothing.
    """
    found = sorted(name for name, value in environ.items() if value and name.lower() in PROXY_VARIABLES)
    return f"ignoring {', '.join(found)}: a proxy would bypass the address policy" if found else None
