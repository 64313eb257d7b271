"""A lane of a scrape without a network: the URLs it takes, its checkpoints, and where a resumed lane goes on."""

import asyncio
import dataclasses
import tracemalloc
from pathlib import Path

import pytest

from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.net.exchange.response import Response
from corpusloom.pipelines.net.scheduler import FetchScheduler
from corpusloom.pipelines.stages.scrape import scrape_lane
from corpusloom.pipelines.stages.scrape.scrape_lane import (
    FrontierRow,
    Lane,
    ScrapeConfig,
    follow,
    frontier_rows,
    make_row,
    page_images,
    verdict_of,
)
from corpusloom.pipelines.store.warc.reading import read_warc
from corpusloom.pipelines.store.warc.responses import HtmlResponse
from corpusloom.pipelines.store.warc.warcinfo import read_warcinfo
from corpusloom.schemas import identity
from corpusloom.schemas.errors import ShortageError
from corpusloom.schemas.verdicts import Dead, Kept, Rejected

HOST = "http://example.org"


def response(
    url: str, body: bytes = b"<p>x", *, status: int = 200, kind: str = "text/html", final_url: str = ""
) -> Response:
    """Return the response to a GET."""
    head = f"HTTP/1.1 {status} OK\r\nContent-Type: {kind}\r\n\r\n".encode()
    return Response(
        url=url,
        final_url=final_url or url,
        status=status,
        request=b"GET / HTTP/1.1\r\n\r\n",
        response_head=head,
        wire_body=body,
        body=body,
        headers=(("Content-Type", kind),),
        fetched_at="2026-01-02T03:04:05Z",
    )


def links(*urls: str) -> bytes:
    """Return a page with links."""
    return "".join(f'<a href="{url}">x</a>' for url in urls).encode()


@pytest.fixture
def config(tmp_path: Path) -> ScrapeConfig:
    """Return a scrape of depth 2 with 3 pages per host and 2 outcomes per checkpoint."""
    return ScrapeConfig(seeds="", out=str(tmp_path), fetch=FetchConfig(), depth=2, max_pages=3, checkpoint_pages=2)


def test_a_url_is_taken_once_to_the_depth_and_to_the_pages_of_its_host(config: ScrapeConfig) -> None:
    lane = Lane(0, config)
    assert lane.offer(f"{HOST}/a", 2)
    assert not lane.offer(f"{HOST}/a#part", 0)
    assert not lane.offer(f"{HOST}/deep", 3)
    assert lane.offer(f"{HOST}/b", 0)
    assert lane.offer(f"{HOST}/c", 0)
    assert not lane.offer(f"{HOST}/d", 0)
    assert lane.offer("http://other.example/", 0)
    assert lane.depths == {f"{HOST}/a": 2, f"{HOST}/b": 0, f"{HOST}/c": 0, "http://other.example/": 0}


def test_a_host_has_no_maximum_unless_one_is_given(tmp_path: Path) -> None:
    lane = Lane(0, ScrapeConfig(seeds="", out=str(tmp_path), fetch=FetchConfig()))
    assert all(lane.offer(f"{HOST}/{number}", 3) for number in range(50))
    assert not lane.offer(f"{HOST}/50", 4)


def test_the_links_of_a_page_are_one_deeper_and_a_redirect_target_is_known(config: ScrapeConfig) -> None:
    lane = Lane(0, config)
    lane.offer(f"{HOST}/a", 1)
    page = response(f"{HOST}/a", links("/b", "/final"), final_url=f"{HOST}/final")
    assert lane.take(f"{HOST}/a", page) == [f"{HOST}/b"]
    assert lane.depths == {f"{HOST}/b": 2}
    assert lane.take(f"{HOST}/b", response(f"{HOST}/b", links("/c"))) == []


def test_a_full_checkpoint_is_a_warc_and_a_part_of_the_frontier(config: ScrapeConfig, tmp_path: Path) -> None:
    lane = Lane(7, config)
    for name in ("a", "b", "c"):
        lane.offer(f"{HOST}/{name}", 0)
    lane.take(f"{HOST}/a", response(f"{HOST}/a", b"<p>one"))
    assert list(tmp_path.iterdir()) == []
    lane.take(f"{HOST}/b", Dead("timeout_total", "slow"))
    assert (lane.rows, lane.answers, lane.held, lane.part) == ([], [], 0, 1)
    records = [row for row in read_warc(str(tmp_path / "lane-00007-00000.warc.gz")) if isinstance(row, HtmlResponse)]
    assert [(row.url, row.body) for row in records] == [(f"{HOST}/a", b"<p>one")]
    rows = list(frontier_rows(str(tmp_path), 7))
    assert [(row.url, row.outcome, row.reason, row.message) for row in rows] == [
        (f"{HOST}/a", "kept", None, None),
        (f"{HOST}/b", "dead", "timeout_total", "slow"),
    ]
    lane.take(f"{HOST}/c", Rejected("robots_disallowed"))
    lane.checkpoint()
    lane.checkpoint()
    assert sorted(path.name for path in tmp_path.glob("*.warc.gz")) == ["lane-00007-00000.warc.gz"]
    assert [row.reason for row in frontier_rows(str(tmp_path))] == [None, "timeout_total", "robots_disallowed"]
    assert list(frontier_rows(str(tmp_path), 1)) == []


def test_a_checkpoint_is_written_once_its_bodies_are_large(
    config: ScrapeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrape_lane, "CHECKPOINT_BYTES", 4)
    lane = Lane(0, config)
    lane.offer(f"{HOST}/a", 0)
    lane.take(f"{HOST}/a", response(f"{HOST}/a", b"four"))
    assert (lane.part, lane.held) == (1, 0)


def test_pages_are_held_as_they_came_over_the_wire(config: ScrapeConfig) -> None:
    """40 pages of 5 bytes that decode to 2 MB, each after a redirect, take no 160 MB until the checkpoint."""
    lane = Lane(0, dataclasses.replace(config, max_pages=None, checkpoint_pages=500))
    tracemalloc.start()
    for number in range(40):
        url = f"{HOST}/{number}"
        lane.offer(url, 0)
        hop = dataclasses.replace(response(url, status=302), body=bytes(2_000_000))
        page = dataclasses.replace(response(url, b"small"), body=bytes(2_000_000), hops=(hop,))
        lane.take(url, page)
    current = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert current < 8_000_000  # the last page and its redirect, in variables here, are 4 MB
    assert (len(lane.answers), lane.part) == (40, 0)
    assert lane.held == sum(len(one.request + one.response_head + one.wire_body) for one in (page, hop)) * 40


def test_links_count_as_held_bytes_and_those_of_one_page_are_bounded(
    config: ScrapeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane = Lane(0, dataclasses.replace(config, checkpoint_pages=500))
    lane.offer(f"{HOST}/a", 0)
    lane.take(f"{HOST}/a", dataclasses.replace(response(f"{HOST}/a", b""), body=links("/b", "/c")))
    sent = response(f"{HOST}/a", b"")
    assert lane.held == len(sent.request + sent.response_head) + 2 * len(f"{HOST}/b")
    monkeypatch.setattr(scrape_lane, "MAX_LINK_BYTES", 2 * len(f"{HOST}/b"))
    assert follow(response(HOST, links("/b", "/c", "/d")), HOST) == (f"{HOST}/b", f"{HOST}/c")


def test_a_run_that_ends_with_an_error_commits_what_it_has(
    config: ScrapeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(self: FetchScheduler, urls: list[str]) -> None:
        self.on_outcome(urls[0], response(urls[0], b"<p>one"))
        raise ShortageError("Too many open files")

    monkeypatch.setattr(FetchScheduler, "run", run)
    config = dataclasses.replace(config, fetch=FetchConfig(contact="t@example.org"))
    with pytest.raises(ShortageError):
        asyncio.run(scrape_lane.scrape_lane(0, [f"{HOST}/a", f"{HOST}/b"], config))
    assert [(row.url, row.outcome) for row in frontier_rows(config.out)] == [(f"{HOST}/a", "kept")]
    assert Lane(0, config).resume([f"{HOST}/a", f"{HOST}/b"]) == [f"{HOST}/b"]


def test_a_page_whose_links_cannot_be_read_is_an_outcome(config: ScrapeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def links_of(*_: object) -> list[str]:
        raise RecursionError("too deep")

    monkeypatch.setattr(scrape_lane, "links_of", links_of)
    lane = Lane(0, config)
    lane.offer(f"{HOST}/a", 0)
    assert lane.take(f"{HOST}/a", response(f"{HOST}/a", links("/b"))) == []
    assert [(row.outcome, row.reason) for row in lane.rows] == [("dead", "internal_error")]


def test_a_resumed_lane_asks_for_what_has_no_outcome(config: ScrapeConfig) -> None:
    lane = Lane(0, config)
    seeds = [f"{HOST}/a", f"{HOST}/b"]
    assert lane.resume(seeds) == seeds
    lane.take(f"{HOST}/a", response(f"{HOST}/a", links("/c", "/b")))
    lane.take_image(f"{HOST}/i.png", response(f"{HOST}/i.png", b"png", kind="image/png"))
    again = Lane(0, config)
    assert again.resume(seeds) == [f"{HOST}/b", f"{HOST}/c"]
    assert again.depths == {f"{HOST}/b": 0, f"{HOST}/c": 1}
    assert (again.part, again.pages_per_host) == (1, {"example.org": 3})
    assert identity.image_key(f"{HOST}/i.png") in again.known
    assert Lane(1, config).resume(seeds) == seeds


def test_a_refusal_of_our_own_policy_is_asked_again_under_another(config: ScrapeConfig) -> None:
    lane = Lane(0, config)
    seeds = [f"{HOST}/{name}" for name in "abc"]
    lane.resume(seeds)
    for seed, outcome in zip(
        seeds, (Rejected("port_not_allowed"), Rejected("http_404"), Dead("dns_failed")), strict=True
    ):
        lane.take(seed, outcome)
    lane.take_image(f"{HOST}/i.png", Rejected("address_not_public"))
    lane.checkpoint()
    assert Lane(0, config).resume(seeds) == []
    opened = dataclasses.replace(config, fetch=dataclasses.replace(config.fetch, allow_addresses=("127.0.0.0/8",)))
    again = Lane(0, opened)
    assert again.resume(seeds) == seeds[:1]
    assert identity.image_key(f"{HOST}/i.png") not in again.known
    again.take(seeds[0], response(seeds[0]))
    again.checkpoint()
    assert Lane(0, opened).resume(seeds) == []
    assert [row.outcome for row in frontier_rows(config.out) if row.url == seeds[0]] == ["kept"]


def test_images_of_the_pages_in_a_lanes_warcs_are_fetched_once(config: ScrapeConfig) -> None:
    shown = b'<p>t</p><img src="/1.png"><img src="/1.png"><img src="/2.png"><img src="/linked.png">'
    lane = Lane(0, config)
    lane.resume([f"{HOST}/a", f"{HOST}/linked.png"])
    lane.take(f"{HOST}/a", response(f"{HOST}/a", shown))
    lane.take_image(f"{HOST}/2.png", Rejected("http_404"))
    lane.known.add(identity.image_key(f"{HOST}/2.png"))
    assert list(lane.images()) == [f"{HOST}/1.png"]
    assert list(lane.images()) == []
    assert list(Lane(1, config).images()) == []


def test_a_page_that_cannot_be_parsed_has_no_images(tmp_path: Path) -> None:
    pages = [response(f"{HOST}/a", b""), response(f"{HOST}/b", b'<img src="/b.png">')]
    path = str(tmp_path / "a.warc.gz")
    scrape_lane.write_warc(path, pages, FetchConfig())
    assert list(page_images([path])) == [f"{HOST}/b.png"]


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Kept()),
        (299, Kept()),
        (300, Rejected("http_300")),
        (199, Rejected("http_199")),
        (404, Rejected("http_404")),
    ],
)
def test_only_a_status_of_success_is_kept(status: int, verdict: Kept | Rejected) -> None:
    assert verdict_of(response(HOST, status=status)) == verdict
    assert verdict_of(Dead("dns")) == Dead("dns")


def test_links_are_followed_on_the_host_asked_and_on_the_host_that_responded() -> None:
    body = links("/a", "http://www.example.org/b", "http://else.example.org/c", "http://other.example/d")
    page = response(f"{HOST}/", body, final_url="http://www.example.org/")
    assert follow(page, f"{HOST}/") == ("http://www.example.org/a", "http://www.example.org/b")
    assert follow(response(f"{HOST}/", body), f"{HOST}/") == (f"{HOST}/a",)


@pytest.mark.parametrize(
    "changes",
    [{"status": 404}, {"kind": "text/plain"}, {"final_url": "http://other.example/"}],
    ids=["an error", "no HTML", "another domain"],
)
def test_other_responses_have_no_links(changes: dict[str, object]) -> None:
    page = response(f"{HOST}/", links("/a", "http://other.example/a"), **changes)  # type: ignore[arg-type]
    assert follow(page, f"{HOST}/") == ()
    assert follow(Rejected("robots_disallowed"), f"{HOST}/") == ()


def test_a_rejection_keeps_its_values_in_the_frontier() -> None:
    row = make_row(f"{HOST}/a", 2, Rejected("too_large", 9.0, 5.0))
    assert row == FrontierRow(
        key=identity.page_key(f"{HOST}/a"), url=f"{HOST}/a", depth=2,
        outcome="rejected", reason="too_large", measured=9.0, threshold=5.0,
    )  # fmt: skip


@pytest.mark.parametrize(("obeys", "policy"), [(True, "classic"), (False, "ignore")])
def test_a_warc_states_its_crawler_and_the_policy_on_robots_txt(tmp_path: Path, obeys: bool, policy: str) -> None:
    path = str(tmp_path / "a.warc.gz")
    scrape_lane.write_warc(path, [response(f"{HOST}/a", b"")], FetchConfig(robots_txt=obeys))
    stated = read_warcinfo(path)
    assert (stated["software"], stated["robots"]) == ("corpusloom", policy)
