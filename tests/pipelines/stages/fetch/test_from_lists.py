"""Fetching lists of URLs into a store: every row is accounted for, and only dead URLs are retried."""

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from corpusloom.pipelines.cli.main import run
from corpusloom.pipelines.engine.runners import Profile
from corpusloom.pipelines.stages.fetch.from_lists import FetchReport, fetch_lists, refetch, retry_dead
from corpusloom.pipelines.stages.fetch.lanes import ImagesConfig
from corpusloom.pipelines.store.images.packs import Checkpoint
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.lists.list_config import ListConfig
from corpusloom.schemas import identity
from corpusloom.schemas.errors import ConfigError, LoomError
from tests.pipelines.image_server import ImageServer, image_server
from tests.pipelines.small_web import QUIET
from tests.pipelines.store.store_maker import png


@pytest.fixture
def server() -> Iterator[ImageServer]:
    with image_server() as running:
        yield running


def config_for(server: ImageServer, folder: Path, **changes: object) -> ImagesConfig:
    values: dict[str, object] = {"store": str(folder / "store"), "fetch": server.fetch, "lanes": 2, "workers": 0}
    return ImagesConfig(**values | changes)  # type: ignore[arg-type]


def fetch(server: ImageServer, folder: Path, rows: list[str], **changes: object) -> FetchReport:
    path = folder / "list.csv"
    with path.open("w", newline="") as handle:
        csv.writer(handle).writerows([["URL"], *([row] for row in rows)])
    columns = ListConfig(url_column="URL")
    return fetch_lists((str(path),), columns, config_for(server, folder, **changes), QUIET, Profile())


def test_every_row_is_accounted_for(server: ImageServer, tmp_path: Path) -> None:
    base = server.base
    rows = [
        *(f"{base}/{n}.png" for n in range(5)),
        *[f"{base}/1.png"] * 200,
        f"{base}/missing.gif",
        f"{base}/down/7.png",
        "file:///etc/passwd",
        "http://" + "a" * 2000 + ".example/",
        "http://b\u00fccher..example/x",
        "",
        " ",
        "http://exa\x00mple.org/x",
    ]
    report = fetch(server, tmp_path, rows)
    fetched = report.kept + sum(report.rejected.values()) + sum(report.dead.values())
    assert report.rows == fetched + report.duplicates + report.known + sum(report.bad.values())
    assert (report.kept, report.duplicates, report.dead) == (5, 200, {"http_503": 1})
    assert report.rejected["scheme_not_allowed"] == 1
    assert set(server.asked.values()) == {1}
    again = fetch(server, tmp_path, rows)
    assert (again.kept, again.dead, again.known) == (0, {}, report.rows - sum(report.bad.values()))
    assert set(server.asked.values()) == {1}


def test_a_retry_asks_for_the_dead_alone(server: ImageServer, tmp_path: Path) -> None:
    base = server.base
    fetch(server, tmp_path, [f"{base}/{n}.png" for n in range(3)] + [f"{base}/down/8.png", f"{base}/nothing"])
    server.repaired = True
    report = retry_dead(config_for(server, tmp_path), QUIET, Profile())
    assert (report.rows, report.kept, report.dead, report.generation) == (1, 1, {}, 2)
    assert server.asked == {"/0.png": 1, "/1.png": 1, "/2.png": 1, "/down/8.png": 2}
    store = ImageStore(str(tmp_path / "store"))
    row = store.index().find(identity.image_key(f"{base}/down/8.png"))
    assert row is not None
    assert store.read(row)


def test_what_was_committed_is_not_fetched_again_after_a_kill(
    server: ImageServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"{server.base}/{n}.png" for n in range(30)]
    config = {"checkpoint": Checkpoint(outcomes=4), "lanes": 1}
    original = ImageStore.commit_part

    def dies_at_the_third(self: ImageStore, generation: int, name: str, records: list) -> None:  # type: ignore[type-arg]
        if len(self.parts(1)) == 2:
            raise OSError("killed")
        original(self, generation, name, records)

    monkeypatch.setattr(ImageStore, "commit_part", dies_at_the_third)
    with pytest.raises(LoomError, match="killed"):
        fetch(server, tmp_path, rows, **config)
    monkeypatch.undo()
    report = fetch(server, tmp_path, rows, **config)
    assert (report.known, report.kept) == (4, 26)
    in_flight = server.fetch.slots_of("image") + 4
    assert sum(count - 1 for count in server.asked.values()) <= in_flight


def test_a_refetch_sends_nothing_again_and_loses_nothing(server: ImageServer, tmp_path: Path) -> None:
    fetch(server, tmp_path, [f"{server.base}/{n}.png" for n in range(4)])
    sent, server.failing = server.sent, {"/2.png"}
    report = refetch(config_for(server, tmp_path), QUIET, Profile())
    assert (report.rows, report.kept, report.generation, server.sent) == (4, 4, 2, sent)
    assert server.asked == {f"/{n}.png": 2 for n in range(4)}
    store = ImageStore(str(tmp_path / "store"))
    rows = [store.index().find(identity.image_key(f"{server.base}/{n}.png")) for n in range(4)]
    assert [store.read(row) for row in rows if row] == [png(n, 256) for n in range(4)]


def test_bad_lines_are_outcomes_and_duplicates_cost_one_fetch(server: ImageServer, tmp_path: Path) -> None:
    good = f"{server.base}/1.png".encode()
    lines = [b"x" * 10_000_000, b"http://\xff\xfe.example/", b"http://a\x00b/", "http://b\u00fccher..x/".encode()]
    lines += [b"http://" + b"h" * 2000 + b"/", b"http://xn--a..b/", good, *[good] * 20_000]
    path = tmp_path / "list.txt"
    path.write_bytes(b"\n".join(lines))
    report = fetch_lists((str(path),), ListConfig(), config_for(server, tmp_path), QUIET, Profile())
    assert (report.rows, report.kept, report.duplicates) == (len(lines), 1, 20_000)
    assert report.bad == {"unreadable_row": 2, "bad_url": 1}
    assert sum(report.rejected.values()) + sum(report.dead.values()) == 3
    assert server.asked == {"/1.png": 1}


def test_listed_urls_are_never_asked_for(server: ImageServer, tmp_path: Path) -> None:
    (tmp_path / "blocked.txt").write_text(f"{server.base}/1.png\n")
    rows = [f"{server.base}/{n}.png" for n in range(3)]
    report = fetch(server, tmp_path, rows, blocklists=(f"url={tmp_path / 'blocked.txt'}",))
    assert (report.kept, report.rejected) == (2, {"blocked_url": 1})
    assert "/1.png" not in server.asked


def test_refusals_of_our_policy_are_asked_again_under_another_and_no_others(
    server: ImageServer, tmp_path: Path
) -> None:
    rows = [f"{server.base}/{name}" for name in ("1.png", "2.png", "missing.gif")]
    closed = replace(server.fetch, allow_addresses=(), delay=None)
    first = fetch(server, tmp_path, rows, fetch=closed)
    assert first.rejected == {"port_not_allowed": 3}
    assert fetch(server, tmp_path, rows, fetch=closed).known == 3
    listed = tmp_path / "urls.txt"
    listed.write_text(f"{rows[0]}\n")
    second = fetch(server, tmp_path, rows, blocklists=(f"url={listed}",))
    assert (second.kept, second.rejected) == (1, {"blocked_url": 1, "http_404": 1})
    assert (second.known, second.generation) == (0, 2)
    third = fetch(server, tmp_path, rows)
    assert (third.kept, third.known, third.generation) == (1, 2, 3)
    assert fetch(server, tmp_path, rows).known == 3


def test_a_redirect_to_what_is_listed_is_refused_before_it_is_asked(server: ImageServer, tmp_path: Path) -> None:
    port = server.server_port
    (tmp_path / "urls.txt").write_text(f"{server.base}/1.png\n")
    (tmp_path / "domains.txt").write_text("bad.localhost\n")
    rows = [
        f"{server.base}/to/{server.base}/1.png",
        f"{server.base}/to/http://a.bad.localhost:{port}/2.png",
        f"{server.base}/to/{server.base}/to/http://bad.localhost:{port}/3.png",
        f"{server.base}/to/{server.base}/4.png",
    ]
    lists = (f"url={tmp_path / 'urls.txt'}", f"domain={tmp_path / 'domains.txt'}")
    report = fetch(server, tmp_path, rows, blocklists=lists)
    assert (report.kept, report.rejected) == (1, {"blocked_domain": 2, "blocked_url": 1})
    assert server.asked == {"/4.png": 1}


def test_loom_images_fetches_a_list_and_retries_its_errors(
    server: ImageServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "l.txt").write_text(f"{server.base}/1.png\n{server.base}/down/2.png\n")
    common = ["images", "--store", str(tmp_path / "s"), "--workers", "0", "--quiet"]
    who = ["--contact", "t@example.org", "--allow-addresses", f"127.0.0.1:{server.server_port}", "--delay", "0"]
    assert run([*common, *who, "--list", str(tmp_path / "l.txt")]) == 0
    printed = capsys.readouterr()
    assert '"kept": 1' in printed.out
    assert "ALLOWED, THOUGH NOT PUBLIC: 127.0.0.1" in printed.err
    server.repaired = True
    assert run([*common, *who, "--retry", "dead", "--reindex", "--sweep"]) == 0
    assert '"generation": 2' in capsys.readouterr().out
    for words in (common, ["images"], ["images", "m3w"], ["images", "m3w", "--out", "x", "--reindex"]):
        with pytest.raises(ConfigError):
            run(words)
