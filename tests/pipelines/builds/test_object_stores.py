"""A build and a verify with stages, image store, WARCs and dataset on object stores, which are local servers here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from corpusloom.pipelines.datasets.verify import verify
from corpusloom.pipelines.store.dataset import folder as store_dataset
from corpusloom.pipelines.store.dataset.folder import BusyError
from corpusloom.schemas import storage
from corpusloom.schemas.manifest import read_manifest
from tests import gcs, loopback
from tests.pipelines.small_web import small_web


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the URL of an empty bucket of a local S3 server."""
    with loopback.s3(monkeypatch) as url:
        yield url


@pytest.fixture
def unreliable(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the URL of an empty bucket of a local S3 server that sometimes answers 503 and lists files late."""
    with loopback.unreliable_s3(monkeypatch, refuse_every=151, hide=1) as (url, did):
        yield url
    assert did["refused"] > 3
    assert did["hidden"] > 3


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the URL of an empty bucket of a local Google Cloud Storage server."""
    with gcs.serve(monkeypatch):
        yield "gs://loom"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("store", ["unreliable", "google"])
def test_a_build_on_an_object_store_equals_a_local_one_and_verifies(
    store: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    bucket = request.getfixturevalue(store)
    with small_web(tmp_path) as web:
        web.scrape()
        local = web.build("m3w", "m3w", shards=4).manifest
        crawl = {f"{bucket}/crawl/{path.name}": path for path in (tmp_path / "crawl").glob("*.warc.gz")}
        for url, path in crawl.items():
            storage.write_bytes(url, path.read_bytes())
        places = {name: f"{bucket}/{name}" for name in ("out", "work", "store")}
        there = web.build("m3w", "", shards=4, warcs=tuple(crawl), **places)
        assert local is not None
        assert there.manifest is not None
        assert there.manifest.samples == local.samples
        assert there.manifest.digest == local.digest
        assert list(verify(f"{bucket}/out")) == []
        assert read_manifest(f"{bucket}/out").digest == local.digest
        again = web.build("m3w", "", shards=4, warcs=tuple(crawl), **places)
        assert set(again.reused) == {"extract", "select", "images", "shards"}


def test_the_claim_of_a_folder_on_s3_is_a_conditional_create(bucket: str) -> None:
    assert storage.create(f"{bucket}/out/{store_dataset.CLAIM}", b'{"fingerprint": "x", "host": "other", "pid": 1}')
    with pytest.raises(BusyError, match="process 1 on other is building into this folder"):
        store_dataset.claim(f"{bucket}/out", "y")
