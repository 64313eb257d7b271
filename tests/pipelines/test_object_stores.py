"""A build and a verify with everything on S3: stages, image store, WARCs and dataset, against a local moto server."""

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from pipelines.store import dataset as store_dataset
from pipelines.store.dataset import BusyError
from pipelines.verify import verify
from schemas import storage
from schemas.manifest import read_manifest
from tests.pipelines.small_web import small_web


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the URL of an empty bucket of a local S3 server."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}"),
    ):
        monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class("s3").clear_instance_cache()  # an instance knows the server of the test before
    fsspec.filesystem("s3").mkdir(f"loom-{port}")
    yield f"s3://loom-{port}"
    server.stop()
    fsspec.get_filesystem_class("s3").clear_instance_cache()


@pytest.mark.timeout(300)
def test_a_build_on_s3_equals_a_local_one_and_verifies(bucket: str, tmp_path: Path) -> None:
    with small_web(tmp_path) as web:
        web.scrape()
        local = web.build("m3w", "m3w", shards=4).manifest
        for path in (tmp_path / "crawl").glob("*.warc.gz"):
            storage.write_bytes(f"{bucket}/crawl/{path.name}", path.read_bytes())
        places = {name: f"{bucket}/{name}" for name in ("out", "work", "store")}
        there = web.build("m3w", "", shards=4, warcs=(f"{bucket}/crawl",), **places)
        assert local is not None
        assert there.manifest is not None
        assert there.manifest.samples == local.samples
        assert there.manifest.digest == local.digest
        assert list(verify(f"{bucket}/out")) == []
        assert read_manifest(f"{bucket}/out").digest == local.digest
        again = web.build("m3w", "", shards=4, warcs=(f"{bucket}/crawl",), **places)
        assert set(again.reused) == {"extract", "select", "images", "shards"}


def test_the_claim_of_a_folder_on_s3_is_a_conditional_create(bucket: str) -> None:
    assert storage.create(f"{bucket}/out/{store_dataset.CLAIM}", b'{"fingerprint": "x", "host": "other", "pid": 1}')
    with pytest.raises(BusyError, match="a build on other"):
        store_dataset.claim(f"{bucket}/out", "y")
