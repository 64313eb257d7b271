"""Computes the target of a redirect, or the reason not to follow it."""

from dataclasses import replace

from corpusloom.pipelines.net.exchange.response import Response
from corpusloom.schemas.addresses import RefusedError, clean_url, join_url
from corpusloom.schemas.verdicts import Rejected


def next_hop(hops: tuple[Response, ...], limit: int) -> str | Rejected:
    """Return the cleaned target of the last of `hops`, or Rejected if it must not be followed."""
    last = hops[-1]
    if len(hops) > limit:
        return Rejected("too_many_redirects", float(len(hops)), float(limit))
    try:
        target = clean_url(join_url(last.final_url, last.location or ""))
    except RefusedError as error:
        return Rejected(error.reason)
    except ValueError:
        return Rejected("bad_url")
    if any(target == hop.final_url for hop in hops):
        return Rejected("redirect_loop")
    return target


def page_before(hops: tuple[Response, ...]) -> Response | None:
    """Return the last of `hops` that redirects by a refresh, if any; this page is the outcome if its target fails."""
    for place in reversed(range(len(hops))):
        if hops[place].refresh is not None:
            return replace(hops[place], hops=hops[:place])
    return None
