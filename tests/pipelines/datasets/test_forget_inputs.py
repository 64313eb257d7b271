"""Forgetting in datasets built from a list, from img2dataset's folder, or from images in WARCs."""

import csv
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpusloom.pipelines.datasets.forget import forget, make_tombstones
from corpusloom.pipelines.datasets.verify import verify
from corpusloom.pipelines.engine.runners import Profile
from corpusloom.pipelines.stages.fetch.from_lists import fetch_lists, refetch
from corpusloom.pipelines.stages.fetch.lanes import ImagesConfig
from corpusloom.pipelines.store import tombstones
from corpusloom.pipelines.store.images.recovery import reindex, sweep
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.lists.list_config import PairListConfig
from corpusloom.schemas.errors import ConfigError
from tests.pipelines.datasets.test_forget import traces
from tests.pipelines.image_server import ImageServer, image_server
from tests.pipelines.small_web import QUIET
from tests.pipelines.stages.extract.test_list_pairs import SIDE, run, text_of, write_folder, write_image_warc
from tests.pipelines.store.store_maker import png

COLUMNS = PairListConfig(caption_column="caption")


@pytest.fixture
def server() -> Iterator[ImageServer]:
    with image_server() as running:
        yield running


def check_gone(folder: Path, text: str) -> None:
    """Check that nothing below the folders of `run` holds a text."""
    for name in ("out", "out.work/stages", "out.store"):
        assert traces(folder / name, text) == []


def test_a_row_of_a_list_is_forgotten_and_never_asked_for_again(server: ImageServer, tmp_path: Path) -> None:
    url, path = f"{server.base}/1.png", tmp_path / "list.csv"
    with path.open("w", newline="") as handle:
        csv.writer(handle).writerows([["url", "caption"], *([f"{server.base}/{n}.png", text_of(n)] for n in range(4))])
    changes = {"lists": (str(path),), "columns": COLUMNS, "fetch": server.fetch}
    assert run(tmp_path, "out", **changes).samples == 4
    with pytest.raises(ConfigError, match="was built without WARCs"):
        forget(str(tmp_path / "out"), make_tombstones(urls=(url,)), QUIET, warc=True)
    digest = forget(str(tmp_path / "out"), make_tombstones(urls=(url,)), QUIET).digest
    check_gone(tmp_path, url)
    check_gone(tmp_path, text_of(1))
    store = ImageStore(str(tmp_path / "out.store"))
    assert sweep(store) == []
    reindex(store)
    again = run(tmp_path, "again", store=store.folder, **changes)
    assert (again.digest, again.samples) == (digest, 3)
    images = ImagesConfig(store=store.folder, fetch=server.fetch, workers=0)
    assert fetch_lists((str(path),), COLUMNS, images, QUIET, Profile()).bad == {"forgotten": 1}
    assert refetch(images, QUIET, Profile()).kept == 3
    assert server.asked["/1.png"] == 1
    check_gone(tmp_path, url)


def test_an_image_of_img2dataset_is_forgotten_by_its_bytes(tmp_path: Path) -> None:
    changes = {"from_img2dataset": (str(write_folder(tmp_path / "in", "webdataset")),)}
    assert run(tmp_path, "out", **changes).samples == 8
    stones = make_tombstones(sha256=(hashlib.sha256(png(2, SIDE)).hexdigest(),))
    digest = forget(str(tmp_path / "out"), stones, QUIET).digest
    check_gone(tmp_path, "http://example.org/2.png")
    fresh = tmp_path / "fresh.store"
    tombstones.write(str(fresh), tombstones.read(str(tmp_path / "out.store")))
    assert run(tmp_path, "fresh", store=str(fresh), **changes).digest == digest
    assert not any(png(2, SIDE) in pack.read_bytes() for pack in (fresh / "packs").iterdir())


def test_an_image_of_a_warc_is_forgotten_and_the_others_are_still_found_in_it(tmp_path: Path) -> None:
    write_image_warc(tmp_path / "all.warc.gz")
    changes = {"warcs": (str(tmp_path / "all.warc.gz"),)}
    assert run(tmp_path, "out", **changes).samples == 3
    stones = make_tombstones(sha256=(hashlib.sha256(png(0, SIDE)).hexdigest(),))
    done = forget(str(tmp_path / "out"), stones, QUIET, warc=True)
    assert len(done.warcs) == 1
    assert not list(verify(str(tmp_path / "out"), "deep"))
    check_gone(tmp_path, "http://example.org/0.png")
    for name in ("packs", "index", "facts"):  # so that the images are read again, from the places in their records
        shutil.rmtree(tmp_path / "out.store" / name)
    again = run(tmp_path, "again", work=str(tmp_path / "out.work"), store=str(tmp_path / "out.store"), **changes)
    assert (again.digest, again.samples) == (done.digest, 2)
