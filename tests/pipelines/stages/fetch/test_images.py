"""The stage that fetches lanes, as one group on one machine or one per element; outcomes are counted."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from corpusloom.pipelines.engine.runners import Profile, run
from corpusloom.pipelines.stages.fetch.images import build
from corpusloom.pipelines.stages.fetch.lanes import ImagesConfig
from corpusloom.pipelines.store.images.frontier import FrontierLane, write_lanes
from corpusloom.pipelines.store.images.outcomes import ImageUrl
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.schemas import identity
from tests.pipelines.image_server import ImageServer, image_server


@pytest.fixture
def server() -> Iterator[ImageServer]:
    with image_server() as running:
        yield running


def lanes_of(server: ImageServer, folder: Path) -> list[FrontierLane]:
    names = [f"http://h{n % 4}.localhost:{server.server_port}/{n}.png" for n in range(8)]
    names += [f"http://h1.localhost:{server.server_port}/down/1.png", "http://h2.localhost:1/x.png"]
    return write_lanes((ImageUrl(identity.image_key(url), url) for url in names), str(folder / "frontier"), 3)


@pytest.mark.parametrize("local", [True, False])
def test_every_url_of_every_lane_has_an_outcome(server: ImageServer, tmp_path: Path, local: bool) -> None:
    lanes = lanes_of(server, tmp_path)
    config = ImagesConfig(store=str(tmp_path / "store"), fetch=server.fetch, local=local)
    measures = run(lambda pipeline: build(pipeline, config, lanes), Profile())
    counters = {name: count for name, count in measures.counters.items() if name.startswith("images/image/")}
    assert counters == {
        "images/image/kept": 8,
        "images/image/dead/http_503": 1,
        "images/image/rejected/port_not_allowed": 1,
    }
    rows = list(ImageStore(config.store).index().rows())
    reasons = sorted(row.reason or row.outcome for row in rows)
    assert reasons == ["http_503", *["kept"] * 8, "port_not_allowed"]
    packs = len(list((tmp_path / "store" / "packs").iterdir()))
    assert packs == (1 if local else len(lanes))
    assert len(lanes) > 1


def test_an_empty_frontier_is_an_empty_pipeline(tmp_path: Path, server: ImageServer) -> None:
    config = ImagesConfig(store=str(tmp_path / "store"), fetch=server.fetch, local=True)
    run(lambda pipeline: build(pipeline, config, []), Profile())
    assert len(ImageStore(config.store).index()) == 0
