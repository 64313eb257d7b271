"""Reads by range from a web server that fails, wrong places, and descriptors that do not pile up."""

import dataclasses
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas import tables
from schemas.errors import DamageError
from schemas.manifest import read_manifest
from schemas.records import SidecarRow
from tests.trainers.stream.datasets import make_dataset, make_pairs
from trainers.stream import StreamingDataset
from trainers.stream.index import read_shard
from trainers.stream.reading import LocalShard, ShardFiles, check_header, read_members


class Flaky(http.server.BaseHTTPRequestHandler):
    """Serves ranges of a folder; every twentieth read of a tar fails."""

    folder: Path
    reads = 0
    every = 20

    def do_HEAD(self) -> None:
        self.do_GET(body=False)

    def do_GET(self, body: bool = True) -> None:
        path = self.folder / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        if path.suffix == ".tar" and body:
            type(self).reads += 1
            if self.reads % self.every == 0:
                self.send_error(503)
                return
        wanted = self.headers.get("Range")
        start, end = 0, len(data)
        if wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last) + 1, len(data)) if last else len(data)
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(end - start))
        self.send_header("Accept-Ranges", "bytes")
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
        self.end_headers()
        if body:
            self.wfile.write(data[start:end])

    def log_message(self, format: str, *values: Any) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, str]]:
    path = make_dataset(tmp_path / "data", "pairs", make_pairs(40), shards=2)
    handler = type("Handler", (Flaky,), {"folder": Path(path), "reads": 0})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield path, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_over_http_with_failing_reads_it_is_the_same_stream(served: tuple[str, str]) -> None:
    path, url = served
    local = list(StreamingDataset(path, 0, 0, 1))
    remote = StreamingDataset(url, 0, 0, 1, on_error="raise")
    assert [(sample.key, sample.image) for sample in remote] == [(sample.key, sample.image) for sample in local]


def test_a_sidecar_that_points_at_other_samples_is_found(tmp_path: Path) -> None:
    path = make_dataset(tmp_path, "pairs", make_pairs(8), shards=1)
    entry = read_manifest(path).shards[0]
    rows = list(tables.read_records(f"{path}/00000.parquet", SidecarRow))
    moved = [dataclasses.replace(row, members=rows[at - 1].members) for at, row in enumerate(rows)]
    tables.write_records(f"{path}/00000.parquet", SidecarRow, moved)
    shard = read_shard(path, dataclasses.replace(entry, sidecar=dataclasses.replace(entry.sidecar, sha256="")))
    with pytest.raises(DamageError, match="another tar"):
        check_header(LocalShard(shard), shard, 0)
    outside = dataclasses.replace(entry.tar, bytes=512)
    sidecar = dataclasses.replace(entry.sidecar, sha256="")
    with pytest.raises(DamageError, match="outside"):
        read_shard(path, dataclasses.replace(entry, tar=outside, sidecar=sidecar))


def test_members_outside_the_allow_list_are_ignored_and_counted(tmp_path: Path) -> None:
    samples = [(key, {**fields, "pyd": b"\x80\x04.", "zz.pth": b"x"}) for key, fields in make_pairs(3)]
    path = make_dataset(tmp_path, "pairs", samples, shards=1)
    shard = read_shard(path, read_manifest(path).shards[0])
    assert shard.ignored == 6
    assert sorted(read_members(LocalShard(shard), shard, 0)) == ["jpg", "json", "txt"]


def test_open_tars_are_bounded_and_closed(tmp_path: Path) -> None:
    path = make_dataset(tmp_path, "pairs", make_pairs(40), shards=16)
    manifest = read_manifest(path)
    shards = [read_shard(path, entry) for entry in manifest.shards]
    before = len(os.listdir("/proc/self/fd"))
    files = ShardFiles(limit=4)
    for shard in shards * 2:
        files.get(shard)
    assert len(os.listdir("/proc/self/fd")) - before <= 4
    files.close()
    assert len(os.listdir("/proc/self/fd")) <= before
