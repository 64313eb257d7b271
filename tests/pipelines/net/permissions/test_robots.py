"""robots.txt, tdmrep.json and ai.txt: what they allow, and which signals they hold for a URL."""

import time

import pytest

from corpusloom.pipelines.net.config import SIGNALS
from corpusloom.pipelines.net.permissions.opt_outs import opt_out
from corpusloom.pipelines.net.permissions.robots import (
    MAX_BYTES,
    HostFiles,
    parse_ai_txt,
    parse_robots,
    parse_tdmrep,
)

AT = "2026-01-02T03:04:05Z"
OURS = "User-agent: corpusloom\nDisallow: /\n"
ANY = "User-agent: *\n"


@pytest.mark.parametrize(
    ("status", "allowed"),
    [(200, False), (204, False), (404, True), (401, True), (403, True), (410, True), (429, None), (500, None),
     (503, None), (302, None), (101, None)],
)  # fmt: skip
def test_the_status_of_robots_txt_allows_or_forbids_all(status: int, allowed: bool | None) -> None:
    robots = parse_robots(status, b"User-agent: *\nDisallow: /", seen_at=AT)
    assert robots.allows("http://a.example/x") is bool(allowed)
    assert (robots.rules is None) is (allowed is None)


CLAUSES = [
    # 2.1, 2.2: lines, comments, blanks, names
    ("User-agent: *\rDisallow: /a\r", "/a", False),
    ("User-agent: *\r\nDisallow: /a\r\n", "/a", False),
    ("User-agent: *\n\n\nDisallow: /a", "/a", False),
    ("User-agent: *\nDisallow: /x\x0bDisallow: /a", "/a", True),
    ("User-agent: *\nAllow: /x\u2028Disallow: /a", "/a", True),
    ("User-agent: *\nAllow: /x\x85Disallow: /a", "/a", True),
    ("User-agent: corpusloom\x0cUser-agent: otherbot\nDisallow: /", "/a", False),
    ("# User-agent: *\n# Disallow: /\n", "/a", True),
    ("User-agent: * # all\nDisallow: /a # not this", "/a", False),
    ("User-agent: *\nDisallow: #/a", "/a", True),
    ("  User-agent :  *  \n\tDisallow\t:\t/a\t", "/a", False),
    ("USER-AGENT: *\nDISALLOW: /a", "/a", False),
    ("User-agent: *\nDisallow:/a", "/a", False),
    ("User-agent: *\nDisallow:\u00a0/a", "/a", False),
    ("User-agent *\nDisallow /a", "/a", False),
    ("User-agent *\nDisallow /a:b", "/a:b", False),
    ("User agent: *\nDissallow: /a", "/a", False),
    ("\ufeffUser-agent: *\nDisallow: /", "/", False),
    ("<html>not robots</html>", "/a", True),
    ("", "/a", True),
    # 2.2.1: the product token
    (OURS, "/a", False),
    (OURS.upper(), "/a", False),
    ("User-agent: corpusloom/0.1\nDisallow: /", "/a", False),
    ("User-agent: corpusloom/0.1.0 (+https://example.org/bot)\nDisallow: /", "/a", False),
    ("User-agent: corpusloom*\nDisallow: /", "/a", False),
    ("User-agent: corpusloom, otherbot\nDisallow: /", "/a", False),
    ("User-agent: corpusloom2\nDisallow: /", "/a", False),
    ("User-agent: corpusloom-images\nDisallow: /", "/a", True),
    ("User-agent: corpusloom_images\nDisallow: /", "/a", True),
    ("User-agent: Corpus\nAllow: /\n\nUser-agent: *\nDisallow: /", "/a", False),
    ("User-agent: c\nAllow: /\n\nUser-agent: *\nDisallow: /", "/a", False),
    ("User-agent: corpuslooms\nAllow: /\n\nUser-agent: *\nDisallow: /", "/a", False),
    ("User-agent: otherbot/corpusloom\nDisallow: /", "/a", True),
    ("User-agent: Mozilla/5.0 (compatible; corpusloom/0.1)\nDisallow: /", "/a", True),
    ("User-agent: * and all others\nDisallow: /a", "/a", False),
    ("User-agent: *bot\nDisallow: /a", "/a", True),
    ("User-agent:\nDisallow: /a", "/a", True),
    ("User-agent: otherbot\nDisallow: /", "/a", True),
    # 2.2.1: groups
    (f"{ANY}Disallow: /\nUser-agent: corpusloom\nDisallow: /b", "/a", True),
    (f"User-agent: corpusloom\nDisallow:\n\n{ANY}Disallow: /", "/a", True),
    (f"User-agent: corpusloom\n\n{ANY}Disallow: /", "/a", False),
    (f"{OURS}User-agent: corpusloom\nAllow: /a", "/a", True),
    (f"{OURS}User-agent: corpusloom\nAllow: /a", "/b", False),
    (f"{ANY}Disallow: /a\nUser-agent: otherbot\nDisallow: /b\n{ANY}Disallow: /c", "/c", False),
    (f"{ANY}Disallow: /a\nUser-agent: otherbot\nDisallow: /b\n{ANY}Disallow: /c", "/a", False),
    (f"{ANY}Disallow: /a\nUser-agent: otherbot\nDisallow: /b\n{ANY}Disallow: /c", "/b", True),
    ("User-agent: otherbot\nUser-agent: corpusloom\nDisallow: /a", "/a", False),
    ("User-agent: otherbot\n\n# both\n\nUser-agent: corpusloom\nDisallow: /a", "/a", False),
    ("User-agent: corpusloom\nUser-agent: otherbot\nDisallow: /a\nUser-agent: *\nDisallow: /", "/b", True),
    ("User-agent: *\nDisallow: /b\n\nUser-agent: 5emeRue\nDisallow: /", "/a", True),
    ("Disallow: /\nUser-agent: otherbot\nDisallow: /", "/a", True),
    # 2.2.2: paths
    (f"{ANY}Disallow: /a", "/ab", False),
    (f"{ANY}Disallow: /a/", "/a", True),
    (f"{ANY}Disallow: /A", "/a", True),
    (f"{ANY}Disallow:", "/a", True),
    (f"{ANY}Disallow: /a\nAllow: /ab", "/abc", True),
    (f"{ANY}Allow: /ab\nDisallow: /a", "/abc", True),
    (f"{ANY}Allow: /a\nDisallow: /ab", "/abc", False),
    (f"{ANY}Allow: /a\nDisallow: /a", "/a", True),
    (f"{ANY}Disallow: /", "/robots.txt", True),
    (f"{ANY}Disallow: /?q", "/?q=1", False),
    (f"{ANY}Disallow: /grün", "/gr%C3%BCn", False),
    (f"{ANY}Disallow: /gr%c3%bcn", "/gr%C3%BCn", False),
    (f"{ANY}Disallow: /%61", "/a", False),
    (f"{ANY}Disallow: a", "/a", False),
    (f"{ANY}Disallow: https://a.example/a", "/a", False),
    (f"{ANY}Disallow: /\nAllow: /index.html", "/", False),
    # 2.2.3: special characters
    (f"{ANY}Disallow: /*.jpg$", "/a/b.jpg", False),
    (f"{ANY}Disallow: /*.jpg$", "/a/b.jpg?x", True),
    (f"{ANY}Disallow: *", "/a", False),
    (f"{ANY}Disallow: /a*b*c", "/axbxcx", False),
    (f"{ANY}Disallow: /a*b*c", "/acb", True),
    (f"{ANY}Disallow: /a%2A", "/a*", False),
    (f"{ANY}Disallow: /a%2A", "/ab", True),
    # 2.2.4: other records
    (f"{ANY}Sitemap: https://a.example/s.xml\nDisallow: /a", "/a", False),
    ("User-agent: corpusloom\nSitemap: https://a.example/s.xml\nUser-agent: otherbot\nDisallow: /a", "/a", False),
    ("User-agent: corpusloom\nHost: a.example\nClean-param: x\nUser-agent: otherbot\nDisallow: /a", "/a", False),
    (f"{ANY}Crawl-delay: 1\n\nUser-agent: otherbot\nDisallow: /", "/a", True),
    ("User-agent: corpusloom\nContent-Signal: search=yes\nUser-agent: otherbot\nDisallow: /", "/a", True),
]


@pytest.mark.parametrize(("text", "path", "allowed"), CLAUSES)
def test_each_clause_of_rfc_9309_allows_or_forbids_its_path(text: str, path: str, allowed: bool) -> None:
    assert parse_robots(200, text.encode(), seen_at=AT).allows(f"http://a.example{path}") is allowed


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "latin-1"])
def test_robots_txt_in_another_encoding_is_read(codec: str) -> None:
    robots = parse_robots(200, "User-agent: *\nDisallow: /a\n".encode(codec), seen_at=AT)
    assert [robots.allows(f"http://a.example/{name}") for name in "ab"] == [False, True]


def test_bytes_of_latin_1_in_a_path_are_those_of_the_url() -> None:
    robots = parse_robots(200, b"User-agent: *\nDisallow: /\xe9\n", seen_at=AT)
    assert [robots.allows(f"http://a.example/{name}") for name in ("%E9", "%C3%A9")] == [False, True]


def test_rules_after_500_kib_are_not_read() -> None:
    text = b"User-agent: *\n" + b"#" * MAX_BYTES + b"\nDisallow: /"
    assert parse_robots(200, text, seen_at=AT).allows("http://a.example/")


def test_a_rule_that_is_cut_off_at_500_kib_is_not_read() -> None:
    text = b"User-agent: *\nDisallow: /\n"
    text += b"#" * (MAX_BYTES - len(text) - len(b"\nAllow: /")) + b"\nAllow: /"
    assert parse_robots(200, text[:-1] + b"\n", seen_at=AT).allows("http://a.example/x") is False
    assert parse_robots(200, text + b"a/b\n", seen_at=AT).allows("http://a.example/x") is False


def refusal(text: str, path: str = "/x") -> str | None:
    verdict = opt_out(
        HostFiles(robots=parse_robots(200, text.encode(), seen_at=AT)).signals(f"http://a.example{path}"), SIGNALS
    )
    return verdict.reason if verdict else None


NO = "opt_out_train_ai"


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        (f"{ANY}Content-Usage: train-ai=n", "/x", NO),
        (f"{ANY}content-usage:\ttrain-ai=n", "/x", NO),
        (f"{ANY}Content-Usage: train-ai=n\nContent-Usage: search=y", "/x", NO),
        (f"{ANY}Content-Usage: search=y\nContent-Usage: train-ai=n", "/x", NO),
        (f"{ANY}Content-Usage: train-ai=n\nContent-Usage: train-ai=y", "/x", NO),
        (f"{ANY}Content-Usage: train-ai=n\nContent-Usage: /open/ train-ai=y", "/open/x", None),
        (f"{ANY}Content-Usage: /open/ train-ai=y\nContent-Usage: train-ai=n", "/x", NO),
        (f"{ANY}Content-Usage: /a\ttrain-ai=n", "/a", NO),
        (f"{ANY}Content-Usage: /a   train-ai=n", "/b", None),
        (f"{ANY}Content-Usage: /a train-ai=n\nContent-Usage: /a search=n", "/a", NO),
        (f"{ANY}Content-Usage: /*.jpg$ train-ai=n", "/b.jpg", NO),
        (f"{ANY}Content-Usage: /gr%c3%bcn train-ai=n", "/gr%C3%BCn", NO),
        (f"{ANY}Content-Signal: ai-train=no\nContent-Signal: search=yes", "/x", "opt_out_ai_train"),
        (f"{ANY}Content-Signal: ai-train=yes\nContent-Signal: ai-train=no", "/x", "opt_out_ai_train"),
        (f"{ANY}Content-Signal: search=yes,ai-train=no", "/x", "opt_out_ai_train"),
        (f"{ANY}Content-Signal: ai-train=no\nDisallow:\n{ANY}Content-Signal: search=yes", "/x", "opt_out_ai_train"),
        ("Content-Signal: ai-train=no\nUser-agent: otherbot\nDisallow:", "/x", "opt_out_ai_train"),
        ("Content-Signal: ai-train=no\nUser-agent: corpusloom\nDisallow:", "/x", "opt_out_ai_train"),
        (f"User-agent: otherbot\nContent-Signal: ai-train=no\n{ANY}Allow: /", "/x", None),
        (f"User-agent: corpusloom\nAllow: /\n{ANY}Content-Signal: ai-train=no", "/x", None),
        ("User-agent: Corpus\nContent-Signal: ai-train=no\n", "/x", None),
    ],
)
def test_all_use_lines_of_the_longest_path_apply(text: str, path: str, reason: str | None) -> None:
    assert refusal(text, path) == reason


AGENTS = """
User-agent: *
Disallow: /private
User-agent: CCBot
Disallow: /photos
Crawl-delay: 9
Content-Signal: ai-train=no
User-agent: img2dataset/1
Disallow: /images
User-agent: img
Allow: /images
User-agent: corpusloom
Disallow: /ours
Crawl-delay: 2
Crawl-delay: 1
Crawl-delay: inf
"""


@pytest.mark.parametrize(
    ("agents", "refused", "delay"),
    [
        ((), ["/ours"], 2),
        (("CCBot",), ["/ours", "/photos"], 9),
        (("ccbot/2.0",), ["/ours", "/photos"], 9),
        (("GPTBot",), ["/ours"], 2),
        (("CC",), ["/ours"], 2),
        (("img2dataset",), ["/ours", "/images"], 2),
        (("GPTBot", "CCBot"), ["/ours", "/photos"], 9),
    ],
)
def test_groups_of_other_agents_are_obeyed_as_well_and_the_strictest_wins(
    agents: tuple[str, ...], refused: list[str], delay: int
) -> None:
    robots = parse_robots(200, AGENTS.encode(), seen_at=AT, agents=agents)
    paths = ["/", "/ours", "/photos", "/private", "/images"]
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


@pytest.mark.parametrize("value", ["1", '"1"', "1.0", "true"])
@pytest.mark.parametrize("location", ["/gr%c3%bcn", "/grün", "grün", "https://a.example/grün", "*"])
def test_a_tdm_rule_is_read_however_it_is_spelled(value: str, location: str) -> None:
    body = f'[{{"location": "{location}", "tdm-reservation": {value}}}]'.encode()
    verdict = opt_out(HostFiles(tdm=parse_tdmrep(body, seen_at=AT)).signals("http://a.example/gr%C3%BCn"), SIGNALS)
    assert verdict is not None


def test_half_a_character_in_a_tdm_rule_reaches_no_table() -> None:
    half = b'{"location": "/\\ud83d", "tdm-reservation": 1}'
    rules = half + b', {"location": "/", "tdm-reservation": 1, "tdm-policy": "\\ud83d"}'
    signals = HostFiles(tdm=parse_tdmrep(b"[" + rules + b"]", seen_at=AT)).signals("http://a.example/x")
    assert [signal.value for signal in signals] == ["1", "\ufffd"]


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[" * 100_000, b'[1, null, {"location": 3}]', b"\xff", b'[{"location": "/"}]']
)
def test_a_malformed_tdmrep_reserves_nothing(body: bytes) -> None:
    assert parse_tdmrep(body, seen_at=AT).rules == ()


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        (b"User-Agent: *\nDisallow: /*.jpg$", True),
        (b"User-Agent: *\nDisallow: *.jpg", True),
        (b"\xef\xbb\xbfUser-Agent: *\nDisallow: *.jpg", True),
        (b"User-Agent: corpusloom/1\nDisallow: *.jpg", True),
        (b"User-Agent: corpusloom\nAllow: /\nUser-Agent: *\nDisallow: /", False),
        (b"User-Agent: corpus\nAllow: /\nUser-Agent: *\nDisallow: /", True),
        (b"User-Agent: *\nDisallow: /*.txt$", False),
        (b"---\ntitle: x\n---\nUser-Agent: *\nDisallow: /", False),
        (b"<html>User-agent: * Disallow: /", False),
        (b"nothing", False),
    ],
)
def test_ai_txt_disallows_files(text: bytes, refused: bool) -> None:
    wishes = HostFiles(ai=parse_ai_txt(text, seen_at=AT))
    assert (opt_out(wishes.signals("http://a.example/a.jpg"), SIGNALS, "image") is not None) is refused


@pytest.mark.parametrize(
    "line",
    [b"Disallow: /" + b"*a" * 200 + b"b\n", b"User-agent: a\n", b"Content-Usage: /a b\n", b":\r", b"Allow: /%41\n"],
)
def test_hostile_files_take_no_time(line: bytes) -> None:
    start = time.process_time()
    robots = parse_robots(200, b"User-agent: *\n" + line * (MAX_BYTES // len(line)), seen_at=AT, agents=("CCBot",))
    robots.allows("http://a.example/" + "a" * 8_000)
    robots.signals("http://a.example/" + "a" * 8_000)
    assert time.process_time() - start < 2
