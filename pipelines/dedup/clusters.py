"""Near-duplicate texts found: band keys to edges to clusters, on one machine and band by band.

What a distributed job shuffles is `(band key, rank, id)` alone.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from corpusloom.pipelines.dedup.components import Cluster, Rank, cluster, star
from corpusloom.pipelines.dedup.minhash import MinHashConfig, text_band_keys

Id = TypeVar("Id", str, bytes, int)


def band_edges(members: Iterable[tuple[bytes, Rank, Id]]) -> list[tuple[Id, Id]]:
    """Return the edges of one band: in each bucket of equal keys every member to the one of smallest rank, sorted.

    A bucket of m members gives m - 1 edges. Of equal ranks the smaller id comes first.
    """
    buckets: dict[bytes, list[tuple[Rank, Id]]] = {}
    for key, rank, item in members:
        buckets.setdefault(key, []).append((rank, item))
    return sorted({edge for bucket in buckets.values() if len(bucket) > 1 for edge in star(bucket)})


def near_duplicates(
    texts: Mapping[Id, str], ranks: Mapping[Id, Rank], config: MinHashConfig | None = None
) -> dict[Id, Cluster]:
    """Return the cluster of each text that has a near-duplicate: which stays (smallest rank), how many they are.

    A text that is in no cluster, or shorter than a shingle, is not in the result. Neither the order of the texts nor
    that of the bands matters.
    """
    config = config or MinHashConfig()
    keys = {name: text_band_keys(text, config) for name, text in texts.items()}
    edges: set[tuple[Id, Id]] = set()
    for band in range(config.bands):
        edges.update(band_edges((found[band], ranks[name], name) for name, found in keys.items() if found))
    return cluster(sorted(edges), ranks)
