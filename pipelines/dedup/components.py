"""Connected components of near-duplicates; the result does not depend on the order of the edges.

Ids sort by preference: the smallest id of a component is its root, the record that is kept.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar


class SortableId(Hashable, Protocol):
    """An id that can be compared with others of its type."""

    def __lt__(self, other: Any, /) -> bool:
        """Return whether this id sorts before another one."""
        ...


Id = TypeVar("Id", bound=SortableId)


@dataclass(frozen=True, slots=True)
class Cluster(Generic[Id]):
    """The component that a record belongs to."""

    root: Id
    """Its smallest id."""
    size: int
    """Number of its ids."""


class Components(Generic[Id]):
    """Union-find with path halving and union by size, over ids of any hashable type."""

    def __init__(self) -> None:
        self._parent: dict[Id, Id] = {}
        self._size: dict[Id, int] = {}

    def find(self, item: Id) -> Id:
        """Return the representative of an id's component; which member that is depends on the order of the edges."""
        parent = self._parent
        if item not in parent:
            parent[item] = item
            self._size[item] = 1
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    def union(self, first: Id, second: Id) -> None:
        """Join the components of two ids."""
        larger, smaller = self.find(first), self.find(second)
        if larger == smaller:
            return
        if self._size[larger] < self._size[smaller]:
            larger, smaller = smaller, larger
        self._parent[smaller] = larger
        self._size[larger] += self._size.pop(smaller)

    def groups(self) -> list[list[Id]]:
        """Return the components, each sorted, in the order of their smallest ids."""
        members: dict[Id, list[Id]] = {}
        for item in self._parent:
            members.setdefault(self.find(item), []).append(item)
        return sorted(sorted(group) for group in members.values())


def cluster(edges: Iterable[tuple[Id, Id]]) -> dict[Id, Cluster[Id]]:
    """Return the cluster of each id that occurs in an edge."""
    components: Components[Id] = Components()
    for first, second in edges:
        components.union(first, second)
    result: dict[Id, Cluster[Id]] = {}
    for group in components.groups():
        result.update(dict.fromkeys(group, Cluster(group[0], len(group))))
    return result


def star(bucket: Iterable[Id]) -> list[tuple[Id, Id]]:
    """Return the n - 1 edges that join a bucket of n distinct ids, sorted: from each id to the smallest."""
    ordered = sorted(set(bucket))
    return [(other, ordered[0]) for other in ordered[1:]]


def large_star(node: Id, neighbours: Iterable[Id]) -> list[tuple[Id, Id]]:
    """Return the edges of a large-star step (Kiveris et al., SoCC 2014): from each larger neighbour to the smallest."""
    around = set(neighbours)
    smallest = min(around | {node})
    return sorted((other, smallest) for other in around if node < other)


def small_star(node: Id, neighbours: Iterable[Id]) -> list[tuple[Id, Id]]:
    """Return the edges of a small-star step: from the node and its smaller neighbours to the smallest of these."""
    around = {other for other in neighbours if not node < other} | {node}
    smallest = min(around)
    return sorted((other, smallest) for other in around if other != smallest)
