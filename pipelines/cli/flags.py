"""Flags that several commands share, as dataclasses."""

import json
from dataclasses import dataclass
from typing import Any, Literal

from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.schemas import arrow
from corpusloom.schemas.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class FetchFlags:
    """Who fetches, and how politely."""

    contact: str | None = None
    """A URL or mail address in the User-Agent, where a site's owner reaches you; needed where something is fetched."""
    allow_addresses: tuple[str, ...] = ()
    """Networks that may be fetched although they are private or loopback: NET or NET:PORT."""
    delay: float | None = None
    """Seconds between two fetches of one registered domain; 0 only for allowed addresses."""
    i_own_these_hosts: bool = False
    """Allow --delay 0 on hosts of your own."""
    agents: tuple[str, ...] = ()
    """Names of other crawlers whose robots.txt groups are obeyed as well as ours, such as CCBot."""

    def fetch_config(self, reporter: Reporter) -> FetchConfig:
        """Return the configuration of the fetcher; say loudly which addresses it does not guard."""
        if self.allow_addresses:
            reporter.warn(f"ALLOWED, THOUGH NOT PUBLIC: {', '.join(self.allow_addresses)} (--allow-addresses)")
        return FetchConfig(
            contact=self.contact,
            allow_addresses=self.allow_addresses,
            delay=self.delay,
            i_own_these_hosts=self.i_own_these_hosts,
            agents=self.agents,
        )


def check_least(flag: str, value: int | None, least: int) -> None:
    """Raise ConfigError for a number below the least that makes sense, before anything runs."""
    if value is not None and value < least:
        raise ConfigError(f"{flag} is {value}", remedy=f"give {least} or more")


@dataclass(frozen=True, kw_only=True)
class OutputFlags:
    """What is printed."""

    json: bool = False
    """Print the result as JSON on standard output."""
    quiet: bool = False
    """Print no progress."""
    log_format: Literal["text", "json"] = "text"
    """json: on standard error a JSON object a line for every event, with counts and seconds (docs/operations.md)."""

    def reporter(self) -> Reporter:
        """Return where progress goes."""
        return Reporter(quiet=self.quiet, json=self.log_format == "json")


def print_json(value: Any) -> None:
    """Print a record or plain value as JSON on standard output."""
    print(json.dumps(arrow.to_plain(value), indent=1, sort_keys=True, ensure_ascii=False))
