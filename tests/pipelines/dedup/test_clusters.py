"""Near-duplicate texts fall into clusters whose survivor does not depend on any order."""

import random as randoms

from hypothesis import given, settings
from hypothesis import strategies as st

from corpusloom.pipelines.dedup.clusters import band_edges, near_duplicates
from corpusloom.pipelines.dedup.components import Cluster

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
RANKS = {name: (-len(name), name) for name in TEXTS}


def test_copies_and_near_copies_are_found() -> None:
    found = near_duplicates(TEXTS, RANKS)
    assert found == {
        **dict.fromkeys(("a", "a-copy", "a-near"), Cluster("a-copy", 3)),
        **dict.fromkeys(("b", "b-near"), Cluster("b-near", 2)),
    }


@settings(max_examples=15, deadline=None)
@given(st.randoms())
def test_the_order_of_the_texts_does_not_matter(random: randoms.Random) -> None:
    items = list(TEXTS.items())
    random.shuffle(items)
    assert near_duplicates(dict(items), RANKS) == near_duplicates(TEXTS, RANKS)


def test_a_bucket_is_a_star() -> None:
    members = [(b"k", (2, "x"), "x"), (b"k", (1, "y"), "y"), (b"k", (3, "z"), "z"), (b"q", (0, "w"), "w")]
    assert band_edges(members) == [("x", "y"), ("z", "y")]
    assert band_edges(reversed(members)) == band_edges(members)
