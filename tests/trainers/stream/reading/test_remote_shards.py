"""Remote datasets on real servers: the same stream as on disk despite network errors; replaced tars are found."""

import os
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError, DamageError, InputError
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.stream.errors import StorageError
from corpusloom.trainers.stream.foreign.index_tars import index_tars
from corpusloom.trainers.stream.reading.cache import CacheConfig
from corpusloom.trainers.stream.reading.remote_files import RetryConfig
from tests import gcs, loopback
from tests.trainers.stream.datasets import make_dataset, make_pairs
from tests.trainers.stream.servers import faulty, nginx

QUICK = RetryConfig(attempts=8, deadline_s=1.5, pause_s=0.005)
"""Stalls of the server are longer, pauses of a busy machine are not."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_dataset(tmp_path_factory.mktemp("remote") / "data", "pairs", make_pairs(60), shards=4)


def small_cache(folder: Path, blocks: int = 200) -> CacheConfig:
    return CacheConfig(folder=str(folder), block_bytes=4096, max_bytes=blocks * 4200)


def content(stream: StreamingDataset) -> list[tuple[str, bytes]]:
    found = [(sample.key, sample.image) for sample in stream]  # type: ignore[union-attr]
    stream.close()
    return found


def test_a_stream_from_nginx_is_the_local_one_with_and_without_a_cache(data: str, tmp_path: Path) -> None:
    local = content(StreamingDataset(data))
    with nginx(Path(data)) as url:
        assert content(StreamingDataset(url, on_error="raise")) == local
        cached = StreamingDataset(url, on_error="raise", cache=small_cache(tmp_path / "cache"))
        assert content(cached) == local
    blocks = os.listdir(tmp_path / "cache" / "blocks")
    assert blocks
    assert not any(name.startswith(".tmp") for name in blocks)


def test_local_sidecars_of_remote_tars_give_the_same_stream(data: str, tmp_path: Path) -> None:
    with nginx(Path(data)) as url:
        index_tars([f"{url}/00000.tar", f"{url}/00001.tar"], str(tmp_path / "index"))
        index = StreamingDataset(str(tmp_path / "index"), on_error="raise", allow_addresses=("127.0.0.0/8",))
        found = dict(content(index))
    local = dict(content(StreamingDataset(data)))
    assert len(found) > 20
    assert found.items() <= local.items()


@pytest.mark.parametrize("cached", [False, True])
def test_a_tar_that_is_replaced_while_it_is_read_is_an_error(data: str, tmp_path: Path, cached: bool) -> None:
    copy = Path(make_dataset(tmp_path / "copy", "pairs", make_pairs(60), shards=1))
    tar = copy / "00000.tar"
    cache = CacheConfig(folder=str(tmp_path / "cache"), block_bytes=65536, max_bytes=1 << 24) if cached else None
    with nginx(copy) as url:
        stream = StreamingDataset(url, on_error="raise", cache=None)
        if cached:
            stream = StreamingDataset(url, on_error="raise", cache=cache, shuffle=False)
            stream.prefetch = lambda running: None  # type: ignore[method-assign]
        samples = iter(stream)
        next(samples)
        changed = tar.read_bytes().replace(b"picture", b"changed")
        tar.with_suffix(".new").write_bytes(changed)
        os.utime(tar.with_suffix(".new"), (1, 1))
        os.replace(tar.with_suffix(".new"), tar)
        with pytest.raises(DamageError, match="was replaced while it was read"):
            list(samples)


def test_a_replaced_local_tar_is_read_as_it_was_or_is_an_error(tmp_path: Path) -> None:
    data = make_dataset(tmp_path, "pairs", make_pairs(40), shards=4)
    whole = content(StreamingDataset(data))
    stream = StreamingDataset(data, on_error="raise")
    stream.reader.files._limit = 1
    samples = iter(stream)
    next(samples)
    for tar in tmp_path.glob("*.tar"):
        tar.with_suffix(".new").write_bytes(tar.read_bytes().replace(b"picture", b"changed"))
        os.replace(tar.with_suffix(".new"), tar)
    with pytest.raises(DamageError, match="replaced"):
        list(samples)
    assert len(whole) == 40


def test_failed_and_broken_requests_do_not_change_the_stream(data: str) -> None:
    with faulty(Path(data), fail_every=20, break_every=33) as (url, _):
        assert content(StreamingDataset(url, on_error="raise", retry=QUICK)) == content(StreamingDataset(data))


def test_stalled_requests_are_cancelled_and_retried(data: str) -> None:
    with faulty(Path(data), stall_every=40) as (url, _):
        assert content(StreamingDataset(url, on_error="raise", retry=QUICK)) == content(StreamingDataset(data))


def test_a_server_that_is_down_ends_the_stream_and_no_sample_is_skipped(data: str) -> None:
    with faulty(Path(data), stall_s=0) as (url, server):
        stream = StreamingDataset(url, on_error="skip", retry=QUICK)
        samples = iter(stream)
        next(samples)
        server.RequestHandlerClass.fail_every = 1  # type: ignore[attr-defined]
        with pytest.raises(StorageError, match="8 reads failed"):
            list(samples)
    assert not stream.skipped


def test_a_server_that_ignores_ranges_is_an_error_that_says_so(data: str) -> None:
    with faulty(Path(data), ranges=False) as (url, _), pytest.raises(DamageError, match="ignores Range"):
        list(StreamingDataset(url, on_error="raise", retry=QUICK))


def test_a_missing_tar_is_an_error_without_retries(data: str, tmp_path: Path) -> None:
    copy = Path(make_dataset(tmp_path, "pairs", make_pairs(10), shards=1))
    (copy / "00000.tar").unlink()
    with faulty(copy) as (url, _), pytest.raises(DamageError, match=r"00000\.tar"):
        list(StreamingDataset(url, on_error="raise", retry=QUICK))


def test_a_cache_smaller_than_the_shards_that_are_read_together_is_refused(data: str, tmp_path: Path) -> None:
    with faulty(Path(data)) as (url, _), pytest.raises(ConfigError, match="lower block_shards"):
        StreamingDataset(url, cache=small_cache(tmp_path, blocks=9))


@pytest.fixture
def bucket(data: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with loopback.s3(monkeypatch) as url:
        fsspec.filesystem("s3").put(f"{data}/", f"{url}/data/", recursive=True)
        yield f"{url}/data"


def test_a_stream_from_s3_is_the_local_one_and_a_replaced_tar_is_an_error(
    bucket: str, data: str, tmp_path: Path
) -> None:
    local = content(StreamingDataset(data))
    stream = StreamingDataset(bucket, on_error="raise", cache=small_cache(tmp_path / "cache"), retry=QUICK)
    assert content(stream) == local
    assert content(StreamingDataset(bucket, on_error="raise", verify=True)) == local
    stream = StreamingDataset(bucket, on_error="raise", cache=small_cache(tmp_path / "other"))
    stream.prefetch = lambda running: None  # type: ignore[method-assign]
    samples = iter(stream)
    next(samples)
    for name in ("00000.tar", "00001.tar", "00002.tar", "00003.tar"):
        changed = Path(data, name).read_bytes().replace(b"picture", b"changed")
        fsspec.filesystem("s3").pipe_file(f"{bucket}/{name}", changed)
    with pytest.raises((DamageError, InputError), match=r"replaced|another tar"):
        list(samples)


@pytest.fixture
def google(data: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[gcs.Store]:
    with gcs.serve(monkeypatch) as store:
        for path in Path(data).iterdir():
            storage.write_bytes(f"gs://corpus/data/{path.name}", path.read_bytes())
        yield store


def test_a_stream_from_gs_is_the_local_one_and_a_replaced_tar_is_an_error(
    google: gcs.Store, data: str, tmp_path: Path
) -> None:
    local = content(StreamingDataset(data))
    assert content(StreamingDataset("gs://corpus/data", on_error="raise", verify=True)) == local
    cached = StreamingDataset("gs://corpus/data", on_error="raise", cache=small_cache(tmp_path / "cache"), retry=QUICK)
    cached.prefetch = lambda running: None  # type: ignore[method-assign] # closing may cut short what it fetches
    assert content(cached) == local
    asked = google.ranges
    again = StreamingDataset("gs://corpus/data", on_error="raise", cache=small_cache(tmp_path / "cache"), retry=QUICK)
    again.prefetch = lambda running: None  # type: ignore[method-assign]
    assert content(again) == local
    assert google.ranges == asked > 0
    assert "00000.tar" in storage.listing("gs://corpus/data")  # gcsfs would keep this listing in its cache
    stream = StreamingDataset("gs://corpus/data", on_error="raise")
    samples = iter(stream)
    next(samples)
    for name in ("00000.tar", "00001.tar", "00002.tar", "00003.tar"):
        changed = Path(data, name).read_bytes().replace(b"picture", b"changed")
        assert google.put("corpus", f"data/{name}", changed, only_new=False)
    with pytest.raises(DamageError, match="was replaced while it was read"):
        list(samples)
    changed_since = StreamingDataset(
        "gs://corpus/data", on_error="raise", cache=small_cache(tmp_path / "cache"), verify=False
    )
    assert all("changed" in sample.text for sample in changed_since)  # type: ignore[union-attr]


def test_on_gs_only_the_first_creation_of_a_file_succeeds(google: gcs.Store) -> None:
    assert storage.create("gs://corpus/claim", b"mine")
    assert not storage.create("gs://corpus/claim", b"yours")
    assert storage.read_bytes("gs://corpus/claim") == b"mine"


def test_a_server_that_an_index_names_is_asked_only_if_it_is_public_or_allowed(data: str, tmp_path: Path) -> None:
    with faulty(Path(data)) as (url, server):
        index = str(tmp_path / "index")
        index_tars([f"{url}/0000{number}.tar" for number in range(4)], index)
        asked = server.RequestHandlerClass.requests  # type: ignore[attr-defined]
        for on_error in ("skip", "raise"):
            with pytest.raises(ConfigError, match=r"0000\d\.tar: .*address_not_public: 127\.0\.0\.1 port"):
                list(StreamingDataset(index, on_error=on_error))
        assert server.RequestHandlerClass.requests == asked  # type: ignore[attr-defined]
        allowed = StreamingDataset(index, on_error="raise", allow_addresses=("127.0.0.0/8",))
        assert content(allowed) == content(StreamingDataset(data))


def test_a_dataset_that_the_user_names_by_its_url_is_read_from_there(data: str) -> None:
    with faulty(Path(data)) as (url, _):
        assert content(StreamingDataset(url, on_error="raise")) == content(StreamingDataset(data))
