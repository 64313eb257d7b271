"""Computes the target of a redirect, or the reason not to follow it."""

from urllib.parse import urljoin

from corpusloom.pipelines.net.exchange.response import Response
from corpusloom.schemas.addresses import RefusedError, clean_url
from corpusloom.schemas.verdicts import Rejected


def next_hop(hops: tuple[Response, ...], limit: int) -> str | Rejected:
    """Return the cleaned target of the last of `hops`, or Rejected if it must not be followed."""
    last = hops[-1]
    if len(hops) > limit:
        return Rejected("too_many_redirects", float(len(hops)), float(limit))
    try:
        target = clean_url(urljoin(last.final_url, (last.location or "").strip()))
    except RefusedError as error:
        return Rejected(error.reason)
    except ValueError:
        return Rejected("bad_url")
    if any(target == hop.final_url for hop in hops):
        return Rejected("redirect_loop")
    return target
