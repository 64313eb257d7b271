"""robots.txt, tdmrep.json and ai.txt: what they allow, and which signals they hold for a URL."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.net.config import SIGNALS
from corpusloom.pipelines.net.permissions.opt_outs import opt_out
from corpusloom.pipelines.net.permissions.robots import HostFiles, matches, parse_ai_txt, parse_robots, parse_tdmrep

AT = "2026-01-02T03:04:05Z"


@pytest.mark.parametrize(
    ("status", "allowed"), [(200, False), (404, True), (403, True), (429, None), (500, None), (302, None)]
)
def test_the_status_of_robots_txt_allows_or_forbids_all(status: int, allowed: bool | None) -> None:
    robots = parse_robots(status, b"User-agent: *\nDisallow: /", seen_at=AT)
    assert robots.allows("http://a.example/x") is bool(allowed)
    assert (robots.rules is None) is (allowed is None)


@pytest.mark.parametrize(
    ("text", "path", "allowed"),
    [
        ("User-agent: *\nDisallow: /a", "/ab", False),
        ("User-agent: *\nDisallow: /a\nAllow: /ab", "/abc", True),
        ("User-agent: *\nDisallow: /\nUser-agent: corpusloom\nDisallow: /b", "/a", True),
        ("User-agent: CorpusLoom\nDisallow: /", "/a", False),
        ("User-agent: otherbot\nDisallow: /", "/a", True),
        ("User-agent: *\nDisallow: /*.jpg$", "/a/b.jpg", False),
        ("User-agent: *\nDisallow: /*.jpg$", "/a/b.jpg?x", True),
        ("\ufeffUser-agent: *\nDisallow: /", "/", False),
        ("User-agent: *\nDisallow:", "/a", True),
        ("<html>not robots</html>", "/a", True),
    ],
)
def test_each_rule_allows_or_forbids_its_path(text: str, path: str, allowed: bool) -> None:
    assert parse_robots(200, text.encode(), seen_at=AT).allows(f"http://a.example{path}") is allowed


def test_rules_after_500_kib_are_not_read() -> None:
    text = b"User-agent: *\n" + b"#" * 512_000 + b"\nDisallow: /"
    assert parse_robots(200, text, seen_at=AT).allows("http://a.example/")


def test_use_lines_of_our_group_by_longest_path() -> None:
    text = (
        b"User-agent: *\nContent-Usage: train-ai=n\nContent-Usage: /open/ train-ai=y\n"
        b"User-agent: otherbot\nContent-Signal: ai-train=no\n"
    )
    wishes = HostFiles(robots=parse_robots(200, text, seen_at=AT))
    assert opt_out(wishes.signals("http://a.example/x"), SIGNALS) is not None
    assert opt_out(wishes.signals("http://a.example/open/x"), SIGNALS) is None
    assert {signal.name for signal in wishes.signals("http://a.example/x")} == {"content-usage"}


AGENTS = """
User-agent: *
Disallow: /private
User-agent: CCBot
Disallow: /photos
Crawl-delay: 9
Content-Signal: ai-train=no
User-agent: corpusloom
Disallow: /ours
Crawl-delay: 2
"""


@pytest.mark.parametrize(
    ("agents", "refused", "delay"),
    [
        ((), ["/ours"], 2),
        (("CCBot",), ["/ours", "/photos"], 9),
        (("ccbot",), ["/ours", "/photos"], 9),
        (("GPTBot",), ["/ours"], 2),
        (("GPTBot", "CCBot"), ["/ours", "/photos"], 9),
    ],
)
def test_groups_of_other_agents_are_obeyed_as_well_and_the_strictest_wins(
    agents: tuple[str, ...], refused: list[str], delay: int
) -> None:
    robots = parse_robots(200, AGENTS.encode(), seen_at=AT, agents=agents)
    paths = ["/", "/ours", "/photos", "/private"]
    assert [path for path in paths if not robots.allows(f"http://a.example{path}")] == refused
    assert robots.crawl_delay == delay
    assert (opt_out(robots.signals("http://a.example/"), SIGNALS) is not None) is ("/photos" in refused)


def test_an_agent_without_a_group_of_its_own_adds_nothing() -> None:
    text = b"User-agent: *\nDisallow: /\nUser-agent: corpusloom\nDisallow:\n"
    assert parse_robots(200, text, seen_at=AT, agents=("CCBot",)).allows("http://a.example/x")


def test_the_first_tdm_rule_that_matches_decides() -> None:
    body = b'[{"location": "/free/*", "tdm-reservation": 0}, {"location": "/*", "tdm-reservation": 1, "tdm-policy": "http://p/"}]'
    wishes = HostFiles(tdm=parse_tdmrep(body, seen_at=AT))
    assert opt_out(wishes.signals("http://a.example/free/x"), SIGNALS) is None
    assert opt_out(wishes.signals("http://a.example/x"), SIGNALS) is not None
    assert [signal.name for signal in wishes.signals("http://a.example/x")] == ["tdm-reservation", "tdm-policy"]


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[" * 100_000, b'[1, null, {"location": 3}]', b"\xff", b'[{"location": "/"}]']
)
def test_a_malformed_tdmrep_reserves_nothing(body: bytes) -> None:
    assert parse_tdmrep(body, seen_at=AT).rules == ()


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        (b"User-Agent: *\nDisallow: /*.jpg$", True),
        (b"User-Agent: *\nDisallow: /*.txt$", False),
        (b"---\ntitle: x\n---\nUser-Agent: *\nDisallow: /", False),
        (b"<html>User-agent: * Disallow: /", False),
        (b"nothing", False),
    ],
)
def test_ai_txt_disallows_files(text: bytes, refused: bool) -> None:
    wishes = HostFiles(ai=parse_ai_txt(text, seen_at=AT))
    assert (opt_out(wishes.signals("http://a.example/a.jpg"), SIGNALS, "image") is not None) is refused


@given(st.text("ab*$", max_size=8), st.text("ab", max_size=8))
def test_patterns_match_as_a_regular_expression_would(pattern: str, path: str) -> None:
    import re

    end = "$" if pattern.endswith("$") else ""
    expression = ".*".join(re.escape(part) for part in pattern.removesuffix("$").split("*")) + end
    assert matches(pattern, path) is (re.match(expression + ("\\Z" if end else ""), path) is not None)


def test_hostile_patterns_take_no_time() -> None:
    start = time.process_time()
    robots = parse_robots(200, b"User-agent: *\n" + b"Disallow: /" + b"*a" * 20_000 + b"b\n", seen_at=AT)
    robots.allows("http://a.example/" + "a" * 8_000)
    matches("/" + "*a" * 20_000 + "b", "/" + "a" * 8_000)
    assert time.process_time() - start < 1
