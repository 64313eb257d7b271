"""Near-duplicate texts fall into clusters whose survivor does not depend on any order."""

import random as randoms

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.near_duplicates import candidate_probability, jaccard, near_duplicates
from corpusloom.pipelines.dedup.components import Cluster
from corpusloom.pipelines.dedup.minhash import MinHashConfig

RNG = randoms.Random(3)
WORDS = ["".join(RNG.choices("abcdefghij", k=4)) for _ in range(3000)]


def variant(start: int, edits: int, length: int = 200) -> str:
    words = WORDS[start : start + length]
    for place in range(edits):
        words[(place * 53 + start) % length] = f"changed{place}"
    return " ".join(words)


TEXTS = {
    "a": variant(0, 0),
    "a-copy": variant(0, 0).upper(),
    "a-near": variant(0, 2),
    "b": variant(400, 0),
    "b-near": variant(400, 1),
    "c": variant(800, 0),
    "c-far": variant(800, 60),
    "short": "too short for this",
    "short-copy": "too short for this",
}
CONFIG = MinHashConfig()


def test_copies_and_near_copies_are_found() -> None:
    found = near_duplicates(TEXTS, CONFIG)
    assert found == {
        **dict.fromkeys(("a", "a-copy", "a-near"), Cluster("a", 3)),
        **dict.fromkeys(("b", "b-near"), Cluster("b", 2)),
    }


@settings(max_examples=15, deadline=None)
@given(st.randoms())
def test_the_order_of_the_texts_does_not_matter(random: randoms.Random) -> None:
    items = list(TEXTS.items())
    random.shuffle(items)
    assert near_duplicates(dict(items), CONFIG) == near_duplicates(TEXTS, CONFIG)


def test_jaccard_is_the_share_of_common_shingles() -> None:
    one, other, none = (np.array(values, dtype=np.uint64) for values in ([1, 2, 3], [2, 3, 4], []))
    assert jaccard(one, other) == 0.5
    assert (jaccard(one, one), jaccard(one, none), jaccard(none, none)) == (1.0, 0.0, 0.0)


def test_the_probability_rises_from_none_to_certainty() -> None:
    found = [candidate_probability(step / 10, CONFIG) for step in range(11)]
    assert (found[0], found[-1]) == (0.0, 1.0)
    assert found == sorted(found)
