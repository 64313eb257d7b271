"""How the open web is fetched: who we are, how polite, which limits, whose wishes."""

from dataclasses import dataclass

from schemas.errors import ConfigError

VERSION = "0.1"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchConfig:
    """One fetcher's configuration: times in seconds, sizes in bytes."""

    contact: str | None = None
    allow_addresses: tuple[str, ...] = ()
    delay: float | None = None
    i_own_these_hosts: bool = False
    page_delay: float = 1.0
    image_delay: float = 0.1
    page_slots: int = 1
    """Fetches at the same time a registered domain."""
    image_slots: int = 4
    connections: int = 128
    connect_timeout: float = 10.0
    idle_timeout: float = 20.0
    total_timeout: float = 60.0
    max_redirects: int = 5
    max_page_bytes: int = 10_000_000
    max_image_bytes: int = 30_000_000
    max_crawl_delay: float = 30.0
    retries: int = 2
    honour: tuple[str, ...] = SIGNALS
    robots_txt: bool = True
    """Obey robots.txt (RFC 9309)."""

    def __post_init__(self) -> None:
        if self.delay is not None and self.delay < 0:
            raise ConfigError(f"--delay {self.delay} is negative", remedy="give seconds, 0 or more")
        if self.delay == 0 and not (self.allow_addresses or self.i_own_these_hosts):
            raise ConfigError(
                "--delay 0 hammers other people's hosts",
                remedy="leave it out, or add --allow-addresses or --i-own-these-hosts",
            )

    @property
    def user_agent(self) -> str:
        """Return the honest User-Agent: who we are and where to complain."""
        return f"corpusloom/{VERSION} (+{self.contact})"

    def require_contact(self) -> None:
        """Refuse to fetch without a contact."""
        if not self.contact:
            raise ConfigError(
                "a site's owner must be able to reach you",
                where="--contact",
                remedy="give a URL or mail address, e.g. --contact https://example.org/bot",
            )
