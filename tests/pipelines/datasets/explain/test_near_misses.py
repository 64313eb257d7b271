"""The nearest names that exist are offered for one that does not."""

import pytest

from corpusloom.pipelines.datasets.explain.near_misses import MOST, near_misses

KNOWN = [
    "https://example.org/manual/index.html",
    "https://example.org/manual/paint.html",
    "https://example.org/Guide/A%20B.html",
    "https://other.example/manual/paint.html",
    "0123456789abcdef0123456789abcdef",
    "ffffffffffffffffffffffffffffffff",
]


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("http://www.example.org/manual/", KNOWN[0]),
        ("https://example.org/manual/paint.htm", KNOWN[1]),
        ("https://example.org/manual/piant.html", KNOWN[1]),
        ("example.org/manual/paint.html", KNOWN[1]),
        ("https://example.org/guide/a b.html#top", KNOWN[2]),
        ("01234567", KNOWN[4]),
        ("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", KNOWN[5]),
    ],
)
def test_the_nearest_comes_first(name: str, first: str) -> None:
    found = near_misses(name, KNOWN)
    assert found[0] == first
    assert len(found) <= MOST


@pytest.mark.parametrize("name", ["https://nowhere.invalid/zzz", "abc", ""])
def test_nothing_is_offered_for_what_is_like_nothing(name: str) -> None:
    assert near_misses(name, KNOWN) == []


def test_a_name_is_found_among_many_that_repeat() -> None:
    many = [f"https://example.org/p/{number}.html" for number in range(3_000)] + ["https://example.org/p/1.html"] * 500
    assert near_misses("https://example.org/p/2999.htm", many)[0] == many[2999]


def test_secrets_of_names_are_not_offered() -> None:
    known = ["http://me:pw@a.example/x?token=t", "http://you:pw@a.example/x?token=u"]
    assert near_misses("http://a.example/x?token=", known) == ["http://a.example/x?token=..."]
