"""Pairs of listed sites only: LTIP and VTP come from fewer than ten sites (Flamingo, arXiv 2204.14198, App. A.3.3)."""

from collections.abc import Iterator
from dataclasses import dataclass

from corpusloom.schemas import identity, storage
from corpusloom.schemas.config import threshold
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.verdicts import Rule, Scores, at_least

VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class SitesConfig:
    """A list of sites by their domains; a domain stands for its subdomains too."""

    domains: tuple[str, ...] = ()
    """Domains of the list, such as "museum.example"; those of `path` are added."""
    path: str | None = None
    """File or URL with one domain per line; lines that start with # are comments."""
    only_listed: bool = threshold(False)
    """Keep only pairs of the listed sites: of their pages, or, for rows of a list, of their images."""

    def __post_init__(self) -> None:
        for text in self.domains:
            to_host(text, "filters.sites.domains")


def to_host(text: str, where: str) -> str:
    """Return a domain as URLs have it, lower case and punycode; ConfigError for a text that is no domain."""
    host = "" if set(text) & set("/:@?#* \t") else identity.host_of(f"http://{text.strip('.')}/")
    if not host:
        raise ConfigError(f"{text!r} is no domain", where=where, remedy="write museum.example, without http:// or *")
    return host


def read_sites(config: SitesConfig) -> frozenset[str]:
    """Return the listed hosts; ConfigError if the rule is on and the list is empty, InputError for a missing file."""
    found = {to_host(text, "filters.sites.domains") for text in config.domains}
    if config.path is not None:
        lines = storage.read_bytes(config.path).decode("utf-8-sig", "replace").splitlines()
        entries = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        found.update(to_host(entry, config.path) for entry in entries)
    if config.only_listed and not found:
        raise ConfigError(
            "no list of sites",
            where="filters.sites",
            remedy="give their domains: --set filters.sites.path=FILE, or filters.sites.domains",
        )
    return frozenset(found)


def measure_site(page_url: str, image_url: str, listed: frozenset[str]) -> Scores:
    """Return `listed_site`: 1 if the page's host, or without a page the image's, is listed or below a listed one."""
    host = identity.host_of(page_url or image_url)
    return {"listed_site": float(any(domain in listed for domain in _domains(host)))}


def _domains(host: str) -> Iterator[str]:
    """Yield a host and the domains above it."""
    labels = host.split(".")
    return (".".join(labels[start:]) for start in range(len(labels)))


def rules(config: SitesConfig) -> tuple[Rule, ...]:
    """Return the rule that a pair is of a listed site."""
    return (at_least("site_not_listed", "listed_site", 1 if config.only_listed else None),)
