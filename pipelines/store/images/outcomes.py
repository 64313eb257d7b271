"""The types of one image URL from page to store, and the outcomes that are stored.

```
page, pair or list row
  -> ImageUrl       the URL and its key, in a lane's Parquet file (frontier.py)
  -> PendingFetch   waiting for its domain, or being fetched, with its redirects and attempts (net/scheduler.py)
  -> Response       the HTTP response (net/exchange/response.py), else Rejected or Dead
  -> FetchedImage   body and origin, whichever source it came from: the web, a WARC, an img2dataset folder
  -> ImageRecord    the row in the index (schemas/records.py); the bytes lie in a pack (packs.py)
```

`FetchOutcome` is the result of a fetch; `ImageOutcome` is what a `PackWriter` accepts for one URL.
"""

from dataclasses import dataclass, replace

from corpusloom.pipelines.net.exchange.response import Response
from corpusloom.schemas.records import ImageRecord, Signal
from corpusloom.schemas.verdicts import Dead, Rejected


@dataclass(frozen=True, slots=True)
class ImageUrl:
    """An image URL and its key."""

    key: str
    """32 hex digits over the canonical URL."""
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedImage:
    """The body of an image, with the facts about its origin that the store records."""

    body: bytes
    final_url: str | None = None
    """URL that responded, after redirects; None if unknown."""
    status: int | None = None
    """HTTP status; None if unknown."""
    fetched_at: str
    """Time of the fetch, RFC 3339 in UTC."""
    etag: str | None = None
    last_modified: str | None = None
    signals: tuple[Signal, ...] = ()


ImageOutcome = FetchedImage | ImageRecord | Rejected | Dead
"""The outcome of one image URL. An ImageRecord is a row of an earlier generation, copied into the next one."""


def image_of(response: Response) -> FetchedImage:
    """Return the part of a response that the store keeps."""
    return FetchedImage(
        body=response.body,
        final_url=response.final_url,
        status=response.status,
        fetched_at=response.fetched_at,
        etag=response.header("etag"),
        last_modified=response.header("last-modified"),
        signals=response.signals,
    )


def settle(outcome: Response | ImageOutcome, known: ImageRecord | None) -> ImageOutcome:
    """Return the outcome to store for a URL whose row of an earlier generation is `known`.

    A stored image is kept if a re-fetch brings no new one: after a 304 its row is copied with the new date, after an
    error unchanged. A 304 without a stored image has no body, so it is an error.
    """
    if known is not None and known.outcome == "kept":
        if isinstance(outcome, Response) and outcome.status == 304:
            return replace(known, fetched_at=outcome.fetched_at)
        if isinstance(outcome, Dead):
            return replace(known, fetched_at=known.fetched_at or "")
    if isinstance(outcome, Response) and outcome.status == 304:
        return Dead("http_304")
    return image_of(outcome) if isinstance(outcome, Response) else outcome
