"""Path patterns of robots.txt: wildcards, equal spellings, and the longest match."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.net.permissions.path_rules import PathRules, matches, path_of, pattern_of


@pytest.mark.parametrize(
    ("pattern", "path", "matched"),
    [
        ("/foo/bar?baz=quz", "/foo/bar?baz=quz", True),
        ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https%3A%2F%2Ffoo.bar", True),
        ("/foo/bar?baz=https%3a%2f%2ffoo.bar", "/foo/bar?baz=https://foo.bar", True),
        ("/foo/bar/ツ", "/foo/bar/%E3%83%84", True),
        ("/foo/bar/%E3%83%84", "/foo/bar/%e3%83%84", True),
        ("/foo/bar/%62%61%7A", "/foo/bar/baz", True),
        ("/foo/bar/baz", "/foo/bar/%62%61%7A", True),
        ("/path/file-with-a-%2A.html", "/path/file-with-a-*.html", True),
        ("/path/file-with-a-%2A.html", "/path/file-with-a-b.html", False),
        ("/path/foo-%24", "/path/foo-$", True),
        ("/path/foo-%24", "/path/foo-$/x", True),
        ("/a$b", "/a$bc", True),
        ("/a$b", "/a", False),
        ("/a%2Fb", "/a/b", False),
        ("/a%3Fb", "/a?b", False),
        ("/a b", "/a%20b", True),
        ("/%zz", "/%zz", True),
        ("/caf\udce9", "/caf%E9", True),
        ("*.gif$", "/a/b.gif", True),
        ("*.gif$", "/a/b.gif?c", False),
        ("/*?", "/a?b", True),
        ("/*?", "/a", False),
        ("/Fish", "/fish", False),
    ],
)
def test_equal_octets_are_equal_however_they_are_spelled(pattern: str, path: str, matched: bool) -> None:
    assert matches(pattern_of(pattern), path_of(f"http://a.example{path}")) is matched


@pytest.mark.parametrize(
    ("allowed", "disallowed", "path", "answer"),
    [
        ((), ("/",), "/a", False),
        (("/a",), ("/",), "/a", True),
        (("/a",), ("/a",), "/a", True),
        (("/*",), ("/a",), "/ab", True),
        (("/",), ("/a", "/b*c"), "/bxc", False),
        (("/a*",), ("/a/b",), "/a/b", False),
        ((), ("/",), "/robots.txt", True),
    ],
)
def test_the_longest_pattern_decides_and_allow_wins_a_tie(
    allowed: tuple[str, ...], disallowed: tuple[str, ...], path: str, answer: bool
) -> None:
    assert PathRules(allowed, disallowed).allows(path) is answer


@given(st.text("ab*$", max_size=8), st.text("ab", max_size=8))
def test_patterns_match_as_a_regular_expression_would(pattern: str, path: str) -> None:
    end = "$" if pattern.endswith("$") else ""
    expression = ".*".join(re.escape(part) for part in pattern.removesuffix("$").split("*")) + end
    assert matches(pattern, path) is (re.match(expression + ("\\Z" if end else ""), path) is not None)


@given(st.text(max_size=20))
def test_any_text_is_spelled_in_ascii_and_the_same_twice(text: str) -> None:
    pattern = pattern_of(text)
    assert pattern.isascii()
    assert pattern_of(pattern) == pattern


def test_hostile_patterns_take_no_time() -> None:
    start = time.process_time()
    matches("/" + "*a" * 20_000 + "b", "/" + "a" * 8_000)
    rules = PathRules((), tuple(f"/{number}*$" for number in range(20_000)))
    assert rules.allows("/" + "a" * 8_000)
    assert time.process_time() - start < 1
