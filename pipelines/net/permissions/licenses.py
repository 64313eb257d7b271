"""Whether a recipe takes a page under the licence that the page states."""

from collections.abc import Collection

from corpusloom.schemas.verdicts import Rejected


def license_refusal(found: str | None, wanted: Collection[str]) -> Rejected | None:
    """Return why a page is refused, or None: `license_unknown` states none, `license_not_listed` another one.

    Args:
      found: SPDX name of the page's licence, None where it states none that is known.
      wanted: SPDX names that a recipe takes, in any case; none takes every page.
    """
    if not wanted:
        return None
    if found is None:
        return Rejected("license_unknown")
    return None if found.lower() in {name.lower() for name in wanted} else Rejected("license_not_listed")
