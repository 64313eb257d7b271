"""Clusters of near-duplicates and which member stays: the same whatever the order of the edges.

Ids are strings or bytes. A rank is a tuple of properties of the record, smallest first, that ends in the id:
so no two are equal, and no place in a file, time of a run or random number decides.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

Id = TypeVar("Id", bound=Hashable)
Rank: TypeAlias = tuple[Any, ...]


def _timestamp(fetched_at: str) -> float:
    try:
        return datetime.fromisoformat(fetched_at).timestamp()
    except ValueError:
        return 0.0


def page_rank(
    *,
    canonical_url: str,
    fetched_at: str,
    images: int,
    text_length: int,
    digest: str,
    record_id: str = "",
    trusted: bool = False,
) -> Rank:
    """Return a page's rank: trusted source, latest crawl, most images, longest text, shortest URL, then its hashes.

    `images`: image URLs left by the URL filters. `digest`: the payload's; `record_id`: WARC-Record-ID.
    """
    return (
        not trusted,
        -_timestamp(fetched_at),
        -images,
        -text_length,
        len(canonical_url),
        canonical_url,
        digest,
        record_id,
    )


def image_rank(*, width: int, height: int, size: int, sha256: str) -> Rank:
    """Return an image's rank: more pixels, then more bytes (fewer losses of JPEG), then its sha256."""
    return (-width * height, -size, sha256)


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster of one record: the id that stays, and how many members it has."""

    root: Any
    size: int


class Components:
    """Union-find with path halving: joins ids, then names each component's members."""

    def __init__(self) -> None:
        self._parent: dict[Any, Any] = {}
        self._size: dict[Any, int] = {}

    def find(self, item: Any) -> Any:
        """Return the present representative of an id; which one depends on the order, its set does not."""
        parent = self._parent
        if item not in parent:
            parent[item] = item
            self._size[item] = 1
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    def union(self, first: Any, second: Any) -> None:
        """Join the components of two ids."""
        larger, smaller = self.find(first), self.find(second)
        if larger == smaller:
            return
        if self._size[larger] < self._size[smaller]:
            larger, smaller = smaller, larger
        self._parent[smaller] = larger
        self._size[larger] += self._size.pop(smaller)

    def groups(self) -> list[list[Any]]:
        """Return the components, each sorted, in the order of their smallest id."""
        members: dict[Any, list[Any]] = {}
        for item in self._parent:
            members.setdefault(self.find(item), []).append(item)
        return sorted(sorted(group) for group in members.values())


def cluster(edges: Iterable[tuple[Id, Id]], ranks: Mapping[Id, Rank]) -> dict[Id, Cluster]:
    """Return the cluster of each id that an edge names; the member of smallest rank (then id) stays.

    An id without a rank loses to those that have one.
    """
    components = Components()
    for first, second in edges:
        components.union(first, second)
    result: dict[Id, Cluster] = {}
    for group in components.groups():
        root = min(group, key=lambda item: (item not in ranks, ranks.get(item, ()), item))
        found = Cluster(root, len(group))
        result.update(dict.fromkeys(group, found))
    return result


def star(members: Iterable[tuple[Rank, Id]]) -> list[tuple[Id, Id]]:
    """Return a bucket's edges: every other member to the one of smallest rank, m - 1 of them, sorted."""
    ordered = sorted(set(members))
    return sorted((other, ordered[0][1]) for _, other in ordered[1:]) if ordered else []


def large_star(node: Id, neighbours: Iterable[Id]) -> list[tuple[Id, Id]]:
    """Return the edges of a large-star step: larger neighbours to the smallest of all (Kiveris et al., SoCC 2014)."""
    around = set(neighbours)
    smallest = min(around | {node})  # type: ignore[type-var]
    return sorted((other, smallest) for other in around if other > node)  # type: ignore[operator]


def small_star(node: Id, neighbours: Iterable[Id]) -> list[tuple[Id, Id]]:
    """Return the edges of a small-star step: the node and its smaller neighbours to the smallest of them."""
    around = {other for other in neighbours if other <= node} | {node}  # type: ignore[operator]
    smallest = min(around)  # type: ignore[type-var]
    return sorted((other, smallest) for other in around if other != smallest)
