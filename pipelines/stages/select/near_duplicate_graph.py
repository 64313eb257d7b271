"""The graph of near-duplicates over Beam: edges, and rounds that turn each component into a star.

A round is a large-star step and a small-star step (Kiveris et al., Connected Components in MapReduce and Beyond, SoCC
2014) around the node of smallest name. Each round is a pipeline that reads the edges of the round before it and writes
its own; `on_engine` runs them. No step holds more than the neighbours of one node.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.metrics import Metrics

from corpusloom.pipelines.dedup.components import Cluster, large_star, small_star
from corpusloom.pipelines.stages.select import group_decisions
from corpusloom.pipelines.stages.select.distributed_counts import NameHeads, encoded_node, heads_of
from corpusloom.pipelines.stages.select.group_decisions import is_kept
from corpusloom.pipelines.store.regroup import ReadRecords, Regroup, WriteRecords, files_of, partition_of
from corpusloom.schemas.records import Head

_COUNTERS = "near_duplicates"
EDGES, MOVED = f"{_COUNTERS}/edges", f"{_COUNTERS}/moved"
"""Counters of a round: its edges, and those that it moved to another node."""
_CLUSTER = b"r"
"""First byte that distinguishes clusters from heads, which are regrouped together."""


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge between the names of two heads."""

    key: str
    """The larger name."""
    other: str
    """The smaller name."""


def band_members(head: Head) -> Iterator[tuple[bytes, bytes]]:
    """Yield a kept head's name under each of its band keys."""
    if is_kept(head):
        yield from ((band.encode(), encoded_node(head)) for band in head.bands)


def bucket_edges(_: bytes, nodes: Iterable[bytes]) -> Iterator[Edge]:
    """Yield the edges of one band's bucket: each node to the one of smallest name."""
    yield from (Edge(*edge) for edge in group_decisions.bucket_edges(node.decode() for node in nodes))


@dataclass(kw_only=True, eq=False)
class WriteEdges(beam.PTransform):
    """Edges -> files of a folder.

    Args:
      folder: Folder of the files.
      parts: Number of files.
    """

    folder: str
    parts: int

    def expand(self, edges: beam.PCollection[Edge]) -> beam.PCollection[int]:
        """Write the edges by the hash of their larger name."""
        return edges | WriteRecords(
            record=Edge, folder=self.folder, sort_by=("key", "other"), parts=self.parts, part_of=partition_of
        )


@dataclass(kw_only=True, eq=False)
class FindEdges(beam.PTransform):
    """Heads -> edges, one star per bucket. Band keys and names are shuffled, never texts."""

    def expand(self, heads: beam.PCollection[Head]) -> beam.PCollection[Edge]:
        """Bucket and star."""
        return (
            heads
            | "Bands" >> beam.FlatMap(band_members).with_output_types(tuple[bytes, bytes])
            | "Bucket" >> Regroup()
            | "Star" >> beam.FlatMapTuple(bucket_edges)
        )


def both_ways(edge: Edge) -> Iterator[tuple[bytes, bytes]]:
    """Yield each end of an edge with the other one."""
    larger, smaller = edge.key.encode(), edge.other.encode()
    yield larger, smaller
    yield smaller, larger


def large_star_of(node: bytes, neighbours: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the edges of the large-star step of a node, the larger name first; count those that leave the node."""
    edges = large_star(node, neighbours)
    if edges:
        Metrics.counter(_COUNTERS, "edges").inc(len(edges))
    if edges and edges[0][1] != node:
        Metrics.counter(_COUNTERS, "moved").inc(len(edges))
    yield from edges


def small_star_of(node: bytes, neighbours: list[bytes]) -> Iterator[Edge]:
    """Yield the edges of the small-star step of a node; count those that leave the node."""
    edges = small_star(node, neighbours)
    if len(edges) > 1:
        Metrics.counter(_COUNTERS, "moved").inc(len(edges) - 1)
    yield from (Edge(larger.decode(), smaller.decode()) for larger, smaller in edges)


def build_round(pipeline: beam.Pipeline, before: str, after: str, parts: int) -> beam.PCollection[int]:
    """Build the pipeline of one round.

    Args:
      pipeline: The pipeline to extend.
      before: Folder of the edges that the round reads.
      after: Folder of the edges that it writes.
      parts: Number of files to write.
    """
    return (
        pipeline
        | "Read edges" >> ReadRecords(record=Edge, place=before, paths_in=files_of)
        | "Both ways" >> beam.FlatMap(both_ways).with_output_types(tuple[bytes, bytes])
        | "Neighbours" >> Regroup()
        | "Large star" >> beam.FlatMapTuple(large_star_of).with_output_types(tuple[bytes, bytes])
        | "Smaller neighbours" >> Regroup()
        | "Small star" >> beam.FlatMapTuple(small_star_of).with_output_types(Edge)
        | "Write edges" >> WriteEdges(folder=after, parts=parts)
    )


def clusters_of(root: bytes, nodes: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield (name, encoded cluster) for each node of a star."""
    around = set(nodes)
    value = _CLUSTER + f"{len(around) + 1} ".encode() + root
    yield root, value
    yield from ((node, value) for node in sorted(around))


def keep_root(_: bytes, values: list[bytes]) -> Iterator[Head]:
    """Yield the heads of one name, rejected if the name is not the root of its cluster."""
    found = [value[1:].decode().split(" ", 1) for value in values if value[:1] == _CLUSTER]
    for head in heads_of(values):
        clusters = {group_decisions.node_of(head): Cluster(root, int(size)) for size, root in found}
        yield group_decisions.keep_root(head, clusters)


@dataclass(kw_only=True, eq=False)
class KeepRoots(beam.PTransform):
    """Heads -> the same, of which each cluster keeps the head of smallest name.

    Args:
      folder: Folder of the edges of the last round, which are stars.
    """

    folder: str

    def expand(self, heads: beam.PCollection[Head]) -> beam.PCollection[Head]:
        """Size the stars and join them back to the heads."""
        clusters = (
            heads.pipeline
            | "Read stars" >> ReadRecords(record=Edge, place=self.folder, paths_in=files_of)
            | "By root"
            >> beam.Map(lambda edge: (edge.other.encode(), edge.key.encode())).with_output_types(tuple[bytes, bytes])
            | "Stars" >> Regroup()
            | "Clusters" >> beam.FlatMapTuple(clusters_of).with_output_types(tuple[bytes, bytes])
        )
        return (
            (heads | "Name" >> NameHeads(name=encoded_node), clusters)
            | "Beside each other" >> beam.Flatten()
            | "Join back" >> Regroup()
            | "Keep roots" >> beam.FlatMapTuple(keep_root)
        )
