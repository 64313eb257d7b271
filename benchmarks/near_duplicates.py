"""Reference implementations for benchmarks: near-duplicates in memory, exact Jaccard, and MinHash's expected recall."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from corpusloom.pipelines.dedup.components import Cluster, cluster, star
from corpusloom.pipelines.dedup.minhash import MinHashConfig, text_band_keys


def near_duplicates(texts: Mapping[str, str], config: MinHashConfig) -> dict[str, Cluster[str]]:
    """Return name -> cluster of each text that shares a band with another; a cluster is called by its first name."""
    buckets: dict[bytes, list[str]] = {}
    for name, text in texts.items():
        for key in text_band_keys(text, config):
            buckets.setdefault(key, []).append(name)
    return cluster(edge for bucket in buckets.values() for edge in star(bucket))


def jaccard(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> float:
    """Return the exact Jaccard similarity of two sets of shingles; 0 when both are empty."""
    shared = len(np.intersect1d(first, second, assume_unique=True))
    union = len(first) + len(second) - shared
    return shared / union if union else 0.0


def candidate_probability(similarity: float, config: MinHashConfig) -> float:
    """Return the probability that two texts of this Jaccard similarity share a band: the S-curve."""
    return 1.0 - (1.0 - similarity**config.rows) ** config.bands
