"""Decides whether a recipe accepts the licence that a page states."""

from collections.abc import Collection

from corpusloom.schemas.verdicts import Rejected


def license_refusal(found: str | None, wanted: Collection[str]) -> Rejected | None:
    """Return the rejection of a page, or None if the recipe accepts its licence.

    Reasons: `license_unknown` if the page states no known licence, `license_not_listed` if it states another one.

    Args:
      found: SPDX identifier of the page's licence; None if the page states no known licence.
      wanted: SPDX identifiers that the recipe accepts, in upper or lower case; an empty one accepts every page.
    """
    if not wanted:
        return None
    if found is None:
        return Rejected("license_unknown")
    return None if found.lower() in {name.lower() for name in wanted} else Rejected("license_not_listed")
