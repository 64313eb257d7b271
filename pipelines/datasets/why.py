"""Explains the outcome of a page or image: lists each stage's decision on it and on the records made from it."""

from dataclasses import replace

from corpusloom.pipelines.datasets.explain.event import STAGES, Event, Source, Wanted, keys_of
from corpusloom.pipelines.datasets.explain.near_misses import near_misses
from corpusloom.pipelines.datasets.explain.sources import sources_of
from corpusloom.schemas import identity
from corpusloom.schemas.errors import InputError


def why(folder: str, name: str) -> list[Event]:
    """Return the events of a record, in order of the stages.

    Args:
      folder: A dataset, a crawl, a work folder or an image store.
      name: URL, key, or sha256 of an image.

    Raises:
      InputError: The folder is none of these, or knows no such record. The error offers the nearest names.
    """
    sources, wanted = sources_of(folder), Wanted.of(name)
    for source in sources:
        source.extend(wanted)
    own = keys_of(name) if "://" in name else set()
    found = (event for source in sources for event in source.events(wanted))
    events = [replace(event, url=name) if event.url is None and event.key in own else event for event in found]
    events += _not_fetched(wanted, events)
    if not events:
        raise _unknown(folder, name, sources)
    order = {stage: number for number, stage in enumerate(STAGES)}
    last = len(STAGES)
    return sorted(events, key=lambda event: (order.get(event.stage, last), event.unit, event.key, event.url or ""))


def _not_fetched(wanted: Wanted, events: list[Event]) -> list[Event]:
    """Return the event of an image that was never asked for, since each page that shows it was rejected before."""
    rejected = {event.key for event in events if event.stage == "select" and event.outcome != "kept"}
    fetched = any(event.unit == "image" for event in events)
    if not wanted.owners or fetched or wanted.owners - rejected:
        return []
    pages = "the page that shows it was" if len(wanted.owners) == 1 else "the pages that show it were"
    note = f"{wanted.name}: {pages} rejected before images are fetched"
    key = identity.image_key(wanted.name)
    return [
        Event(stage="images", unit="image", key=key, parent=None, url=wanted.name, outcome="not_fetched", note=note)
    ]


def _unknown(folder: str, name: str, sources: list[Source]) -> InputError:
    """Return the error for a name that no source knows, with the nearest names."""
    near = near_misses(name, (known for source in sources for known in source.names()))
    return InputError(
        f"no record of {name}",
        where=folder,
        remedy=f"did you mean {', or '.join(near)}?"
        if near
        else "check that it was in the input: loom extract WARC --url prints a page",
    )
