"""What a store still lacks: the URLs without a final outcome, by lane, and the images without facts."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.store.images import ImageStore
from schemas import identity
from schemas.records import ImageRecord

FACTS_BATCH = 256


@dataclass(frozen=True, slots=True)
class Wanted:
    """An image URL that a build needs, by its key."""

    key: str
    url: str


def lane_of(url: str, lanes: int) -> int:
    """Return the lane of a URL: a hash of its registered domain mod `lanes`."""
    domain = identity.registered_domain(identity.host_of(url))
    return int.from_bytes(hashlib.blake2b(domain.encode(), digest_size=4).digest(), "big") % lanes


def frontier(wanted: Iterable[Wanted], store: ImageStore, lanes: int) -> list[list[Wanted]]:
    """Return the wanted URLs without a final outcome, by lane, in order of their keys."""
    index = store.index()
    result: list[list[Wanted]] = [[] for _ in range(lanes)]
    for item in sorted(set(wanted), key=lambda item: (item.key, item.url)):
        lane = result[lane_of(item.url, lanes)]
        if item.key not in index and not (lane and lane[-1].key == item.key):
            lane.append(item)
    return result


def missing_facts(store: ImageStore, keys: Iterable[str]) -> list[list[ImageRecord]]:
    """Return the stored images among `keys` that have no facts yet, once a sha256, in batches."""
    index, facts = store.index(), store.facts()
    found: dict[str, ImageRecord] = {}
    for key in keys:
        record = index.find(key)
        if record is not None and record.sha256 and record.sha256 not in facts:
            found.setdefault(record.sha256, record)
    rows = [found[sha256] for sha256 in sorted(found)]
    return [rows[start : start + FACTS_BATCH] for start in range(0, len(rows), FACTS_BATCH)]
