"""Lanes on one machine: separate processes fetch the same as one loop, and a kill loses at most one checkpoint."""

import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from corpusloom.pipelines.engine.subprocesses import cores
from corpusloom.pipelines.net.exchange import session
from corpusloom.pipelines.stages.fetch import lanes as image_lanes
from corpusloom.pipelines.stages.fetch.lanes import ImagesConfig, fetch_lane, fetch_lanes
from corpusloom.pipelines.store.images.frontier import FrontierLane, merge_lanes, write_lanes
from corpusloom.pipelines.store.images.outcomes import ImageUrl
from corpusloom.pipelines.store.images.packs import Checkpoint
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.schemas import identity
from corpusloom.schemas.errors import LoomError, ShortageError
from tests.pipelines.image_server import ImageServer, image_server

ROWS = 36


@pytest.fixture
def server() -> Iterator[ImageServer]:
    with image_server() as running:
        yield running


def lanes_of(server: ImageServer, folder: Path) -> list[FrontierLane]:
    hosts = [f"h{n}.localhost" for n in range(6)]
    urls = [f"http://{hosts[n % 6]}:{server.server_port}/{n}.png" for n in range(ROWS)]
    return write_lanes((ImageUrl(identity.image_key(url), url) for url in urls), str(folder / "frontier"), 2)


def rows_of(store: str) -> list[tuple[str, str | None]]:
    return [(row.key, row.sha256) for row in ImageStore(store).index().rows()]


@pytest.mark.skipif(cores() < 2, reason="one core runs one lane at a time")
def test_processes_store_what_one_loop_stores(
    server: ImageServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_lanes, "PROCESS_ROWS", 1)
    config = ImagesConfig(store=str(tmp_path / "a"), fetch=server.fetch, local=True)
    assert fetch_lanes(lanes_of(server, tmp_path), config).outcomes == {("kept", None): ROWS}
    packs = {path.name for path in (tmp_path / "a" / "packs").iterdir()}
    one = ImagesConfig(store=str(tmp_path / "b"), fetch=server.fetch)
    assert fetch_lanes(lanes_of(server, tmp_path), one).outcomes == {("kept", None): ROWS}
    assert rows_of(one.store) == rows_of(config.store)
    assert len(packs) == 2
    assert set(server.asked.values()) == {2}


def test_a_shortage_stops_the_lane_after_it_committed_what_it_has(
    server: ImageServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Descriptors run out at the fourth connection: no image is dead, and the next run fetches the rest."""
    config = ImagesConfig(store=str(tmp_path / "s"), fetch=replace(server.fetch, slots=1))
    lanes, make_socket, made = lanes_of(server, tmp_path), session.make_socket, []

    def make_or_fail(policy: object, info: object) -> object:
        made.append(info)
        if len(made) > 3:
            raise OSError(errno.EMFILE, "Too many open files")
        return make_socket(policy, info)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(session, "make_socket", make_or_fail)
        with pytest.raises(ShortageError, match="ulimit -n"):
            fetch_lanes(lanes, config)
    assert {row.outcome for row in ImageStore(config.store).index().rows()} <= {"kept"}
    fetch_lanes(lanes, config)
    assert {row.outcome for row in ImageStore(config.store).index().rows()} == {"kept"}
    assert len(ImageStore(config.store).index()) == ROWS


def dies_at_the_third_pack(lane: FrontierLane, config: ImagesConfig) -> object:
    original = ImageStore.commit_part

    def commit(self: ImageStore, generation: int, name: str, records: list) -> None:  # type: ignore[type-arg]
        if lane.number == 1 and len(list(Path(config.store, "packs").iterdir())) > 4:
            os.kill(os.getpid(), 9)
        original(self, generation, name, records)

    ImageStore.commit_part = commit  # type: ignore[method-assign]
    return fetch_lane(lane, config)


@pytest.mark.skipif(cores() < 2, reason="one core runs one lane at a time")
def test_a_killed_lane_costs_what_was_in_flight(
    server: ImageServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_lanes, "PROCESS_ROWS", 1)
    checkpoint = Checkpoint(outcomes=4)
    config = ImagesConfig(store=str(tmp_path / "s"), fetch=server.fetch, local=True, checkpoint=checkpoint)
    lanes = lanes_of(server, tmp_path)
    monkeypatch.setattr(image_lanes, "fetch_lane", dies_at_the_third_pack)
    with pytest.raises(LoomError, match="run the same command to resume"):
        fetch_lanes(lanes, config)
    monkeypatch.setattr(image_lanes, "fetch_lane", fetch_lane)
    before = len(ImageStore(config.store).index())
    assert 0 < before < ROWS
    ended = fetch_lanes(lanes, config).outcomes
    assert before + ended["kept", None] == ROWS == len(ImageStore(config.store).index())
    twice = sum(count - 1 for count in server.asked.values())
    assert twice <= checkpoint.outcomes + 2 * server.fetch.slots_of("image")


def test_lanes_run_as_one_where_processes_are_not_worth_it(server: ImageServer, tmp_path: Path) -> None:
    lanes = lanes_of(server, tmp_path)
    config = ImagesConfig(store=str(tmp_path / "s"), fetch=server.fetch, local=True)
    assert merge_lanes(lanes).rows == ROWS
    assert fetch_lanes(lanes, config).outcomes == {("kept", None): ROWS}
    assert len(list((tmp_path / "s" / "packs").iterdir())) == 1
