"""Redirects: relative and absolute targets, cleaned; loops, chains and forbidden targets are refused."""

import pytest

from corpusloom.pipelines.net.exchange.redirects import next_hop
from corpusloom.pipelines.net.exchange.response import Response
from corpusloom.schemas.verdicts import Rejected
from tests.pipelines.net.exchange.responses import make_response


def hop(url: str, location: str) -> Response:
    return make_response(url, 302, Location=location)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b", "http://a.example/b"),
        ("c?d#e", "http://a.example/x/c?d"),
        ("//b.example", "http://b.example/"),
        (" https://user:pw@B.example:443/ ", "https://b.example/"),
        ("\\\\b.example\\c?d\\e", "http://b.example/c?d%5Ce"),
        ("///b.example/c", "http://b.example/c"),
        ("http:c", "http://a.example/x/c"),
        ("https:b.example/c", "https://b.example/c"),
        ("\t/b\r\n", "http://a.example/b"),
        ("/gr%FCn", "http://a.example/gr%FCn"),
        ("/a/../b/./c/%2e%2E", "http://a.example/b/"),
        ("http://fa\u00df.example/", "http://xn--fa-hia.example/"),
        ("file:///etc/passwd", Rejected("scheme_not_allowed")),
        ("http://[bad/", Rejected("bad_url")),
        ("http://" + "a" * 9_000, Rejected("url_too_long")),
        ("/x/", Rejected("redirect_loop")),
    ],
)
def test_each_location_has_its_target(location: str, target: str | Rejected) -> None:
    assert next_hop((hop("http://a.example/x/", location),), 5) == target


def test_a_loop_over_several_urls_is_refused() -> None:
    hops = (hop("http://a.example/1", "/2"), hop("http://a.example/2", "/1"))
    assert next_hop(hops, 5) == Rejected("redirect_loop")


def test_the_limit_of_redirects_is_inclusive() -> None:
    hops = tuple(hop(f"http://a.example/{n}", f"/{n + 1}") for n in range(3))
    assert next_hop(hops, 3) == "http://a.example/3"
    assert next_hop(hops, 2) == Rejected("too_many_redirects", 3.0, 2.0)
