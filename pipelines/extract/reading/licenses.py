"""Links to Creative Commons licences -> SPDX names."""

import re
from collections.abc import Sequence

_LICENSE = re.compile(
    r"creativecommons\.org/(?:licenses/(by(?:-nc)?(?:-nd|-sa)?)/(\d\.\d)|publicdomain/(zero|mark)/(\d\.\d))",
    re.IGNORECASE,
)


def spdx_of(url: str) -> str | None:
    """Return the SPDX name of a Creative Commons licence's address, or None."""
    match = _LICENSE.search(url[:500])
    if match is None:
        return None
    kind, version, public, public_version = match.groups()
    if kind:
        return f"CC-{kind.upper()}-{version}"
    return f"CC0-{public_version}" if public.lower() == "zero" else f"CC-PDM-{public_version}"


def of_links(links: Sequence[tuple[str, bool]]) -> str | None:
    """Return the licence of a page from (href, rel=license) links.

    A link marked rel=license decides; else a licence is the page's only if all such links name the same one.
    """
    marked = [name for href, is_marked in links if is_marked and (name := spdx_of(href))]
    if marked:
        return marked[0]
    named = {name for href, _marked in links if (name := spdx_of(href))}
    return named.pop() if len(named) == 1 else None
