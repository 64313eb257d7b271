"""Groups of flags that several commands share, as dataclasses."""

import json
import posixpath
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tyro

from corpusloom.pipelines.engine.printing import show
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.schemas import arrow, storage
from corpusloom.schemas.addresses import parse_allowed
from corpusloom.schemas.errors import ConfigError, InputError

CONTACT = {"--contact URL": "a URL or mail address by which a site's owner can reach you"}
"""Missing option of a command that fetches, if no contact is given -> advice."""


@dataclass(frozen=True, kw_only=True)
class FetchFlags:
    """Flags of the fetcher: identity, allowed addresses, delay."""

    contact: Annotated[str | None, tyro.conf.arg(metavar="URL")] = None
    """URL or mail address in the User-Agent, by which a site's owner can reach you; required to fetch anything."""
    allow_addresses: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NET")] = ()
    """Private or loopback networks that may be fetched: NET or NET:PORT."""
    delay: float | None = None
    """Seconds between two fetches of one registered domain; 0 only for allowed addresses."""
    i_own_these_hosts: bool = False
    """Allow --delay 0 on hosts of your own."""
    agents: tuple[str, ...] = ()
    """Other crawlers whose robots.txt groups are obeyed besides ours, such as CCBot."""

    def fetch_config(self, reporter: Reporter) -> FetchConfig:
        """Return the configuration of the fetcher; warn if private addresses are allowed."""
        config = FetchConfig(
            contact=self.contact,
            allow_addresses=self.allow_addresses,
            delay=self.delay,
            i_own_these_hosts=self.i_own_these_hosts,
            agents=self.agents,
        )
        for entry in self.allow_addresses:
            parse_allowed(entry)
        if self.allow_addresses:
            reporter.warn(f"ALLOWED, THOUGH NOT PUBLIC: {', '.join(self.allow_addresses)} (--allow-addresses)")
        return config


def check_least(flag: str, value: int | None, least: int) -> None:
    """Raise ConfigError if a flag's number is below `least`."""
    if value is not None and value < least:
        raise ConfigError(f"{flag} is {value}", remedy=f"give {least} or more")


def check_output(flag: str, path: str) -> None:
    """Raise an error if a file cannot be written to a path, before its content is made."""
    if storage.is_folder(path):
        raise ConfigError(
            f"{path} is a folder", where=flag, remedy=f"name a file, such as {storage.join(path, 'x.html')}"
        )
    if not storage.is_local(path):
        return
    try:
        storage.check_writable(posixpath.dirname(storage.filesystem(path)[1]))
    except InputError as error:
        raise InputError(error.what, where=path, remedy=error.remedy) from error


@dataclass(frozen=True, kw_only=True)
class OutputFlags:
    """Flags of the output."""

    json: bool = False
    """Print the result as JSON on standard output."""
    quiet: bool = False
    """Print no progress."""
    log_format: Literal["text", "json"] = "text"
    """Format of logs on standard error; json: one object per event and line, with counts (docs/operations.md)."""

    def reporter(self) -> Reporter:
        """Return the reporter that prints progress."""
        return Reporter(quiet=self.quiet, json=self.log_format == "json")


def print_json(value: Any) -> None:
    """Print a record or plain value as one line of JSON on standard output."""
    show(json.dumps(arrow.to_plain(value), sort_keys=True, ensure_ascii=False))
