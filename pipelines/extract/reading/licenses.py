"""Finds the licence that a page states, as an SPDX identifier, in links, meta elements, JSON-LD and headers."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from corpusloom.pipelines.extract.reading import structured

_CREATIVE_COMMONS = re.compile(
    r"creativecommons\.org/(?:licenses/(by(?:-nc)?(?:-nd|-sa)?)/(\d\.\d)|publicdomain/(zero|mark)/(\d\.\d))",
    re.IGNORECASE,
)
_ADDRESSES = (
    ("apache.org/licenses/license-2.0", "Apache-2.0"),
    ("nationalarchives.gov.uk/doc/open-government-licence/version/2", "OGL-UK-2.0"),
    ("nationalarchives.gov.uk/doc/open-government-licence/version/3", "OGL-UK-3.0"),
    ("opendatacommons.org/licenses/by/1", "ODC-By-1.0"),
    ("opendatacommons.org/licenses/odbl/1", "ODbL-1.0"),
    ("opendatacommons.org/licenses/pddl/1", "PDDL-1.0"),
    ("opensource.org/license/mit", "MIT"),
    ("opensource.org/licenses/mit", "MIT"),
)
"""(part of a licence's address in lower case, SPDX identifier) of licences other than Creative Commons."""
_CODE = re.compile(r"(?:cc[ -]?)(by(?:-nc)?(?:-nd|-sa)?)[ -](\d\.\d)(?: international| unported| generic)?", re.I)
_CC0 = re.compile(r"cc0(?:[ -]1\.0)?(?: universal)?", re.I)
_META_NAMES = ("dcterms.license", "dc.rights.license", "dcterms.rights", "dc.rights", "license", "licence", "rights")
"""Names of meta elements that state a licence, the most specific first."""
_LINK = re.compile(r"<([^<>]{1,500})>\s*((?:;[^,<]{0,200})*)")
_REL_LICENSE = re.compile(r";\s*rel\s*=\s*\"?[^\";]*\blicense\b", re.I)
_LONGEST = 500
"""Characters of a value that are searched; the rest is ignored."""


def spdx_of(url: str) -> str | None:
    """Return the SPDX identifier of a licence's address, or None for an unknown address."""
    address = url[:_LONGEST]
    match = _CREATIVE_COMMONS.search(address)
    if match is None:
        lower = address.lower()
        return next((name for part, name in _ADDRESSES if part in lower), None)
    kind, version, public, public_version = match.groups()
    if kind:
        return f"CC-{kind.upper()}-{version}"
    return f"CC0-{public_version}" if public.lower() == "zero" else f"CC-PDM-{public_version}"


def spdx_of_text(text: str) -> str | None:
    """Return the SPDX identifier of a text that is a licence's address or only its name, such as CC BY-SA 4.0."""
    text = text[:_LONGEST].strip()
    if (named := spdx_of(text)) is not None:
        return named
    if (match := _CODE.fullmatch(text)) is not None:
        return f"CC-{match[1].upper()}-{match[2]}"
    if _CC0.fullmatch(text):
        return "CC0-1.0"
    return next((name for _, name in _ADDRESSES if name.lower() == text.lower()), None)


def _marked(links: Iterable[tuple[str, bool]]) -> str | None:
    """Return the licence of the first rel=license link to a known licence."""
    return next((name for href, is_marked in links if is_marked and (name := spdx_of(href))), None)


def _agreed(links: Iterable[tuple[str, bool]]) -> str | None:
    """Return the licence of all links to known licences, or None if they differ."""
    named = {name for href, _ in links if (name := spdx_of(href))}
    return named.pop() if len(named) == 1 else None


def of_metas(metas: dict[str, str]) -> str | None:
    """Return the licence that a page's meta elements state."""
    return next((name for key in _META_NAMES if key in metas and (name := spdx_of_text(metas[key]))), None)


def of_json_ld(blocks: list[str]) -> str | None:
    """Return the licence in schema.org's `license` of a page's JSON-LD, or None if its values differ."""
    values = (node["license"] for node in structured.nodes(blocks) if "license" in node)
    named = {name for value in values for text in _texts(value) if (name := spdx_of_text(text))}
    return named.pop() if len(named) == 1 else None


def _texts(value: Any) -> list[str]:
    """Return the texts of a `license` in JSON-LD: a text, a CreativeWork with an address, or a list of them."""
    if isinstance(value, list):
        return [text for item in value[:20] for text in _texts(item) if not isinstance(item, list)]
    if isinstance(value, dict):
        value = value.get("url") or value.get("@id") or value.get("name")
    return [value] if isinstance(value, str) else []


def of_page(links: Sequence[tuple[str, bool]], metas: dict[str, str], json_ld: list[str]) -> str | None:
    """Return the licence that a page states, or None.

    The first of these is used: a rel=license link, a meta element, JSON-LD, and other links if all lead to the same
    licence. `links` are (href, whether rel=license).
    """
    return _marked(links) or of_metas(metas) or of_json_ld(json_ld) or _agreed(links)


def of_headers(headers: Iterable[tuple[str, str]]) -> str | None:
    """Return the licence of a response's Link headers with rel=license (RFC 8288), or None."""
    values = (value for name, value in headers if name.lower() == "link")
    links = (match for value in values for match in _LINK.finditer(value[:8_000]))
    return next((name for match in links if _REL_LICENSE.search(match[2]) and (name := spdx_of(match[1]))), None)
