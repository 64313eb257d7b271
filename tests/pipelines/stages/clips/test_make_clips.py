"""Two passes: each video becomes a fragment, once; a worker that dies costs its video; shards gather the fragments."""

import os
from pathlib import Path
from typing import Any

import pytest

from corpusloom.pipelines.engine.worker_pool import PoolConfig
from corpusloom.pipelines.stages.clips import make_clips as module
from corpusloom.pipelines.stages.clips.cut_video import CutConfig, CutVideo, Video, cut_video
from corpusloom.pipelines.stages.clips.make_clips import (
    BATCH,
    ClipsConfig,
    CutVideos,
    VideoBatch,
    batches_of,
    read_report,
    samples_of,
    shards_of,
)
from corpusloom.pipelines.store.images.resize import Resize
from corpusloom.schemas import storage, tables
from corpusloom.schemas.layout import shard_of
from corpusloom.schemas.records import LedgerRow
from tests.pipelines.stages.clips.videos import regular, write_video


def video_of(path: Path) -> Video:
    sha256, size = storage.hash_file(str(path))
    return Video(path=str(path), name=path.name, sha256=sha256, bytes=size, caption="a text")


def config_of(folder: Path, **changes: Any) -> ClipsConfig:
    cut = CutConfig(folder=str(folder / "fragments"), resize=Resize(mode="no", size=1), longest=2_000)
    return ClipsConfig(folder=str(folder), dataset=str(folder / "data"), cut=cut, **changes)


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> tuple[ClipsConfig, list[Video]]:
    """Return a stage whose first pass is finished: two videos of 5 and 4 clips, and a file that is none."""
    folder = tmp_path_factory.mktemp("cut")
    (folder / "c.mp4").write_bytes(b"no video")
    paths = [write_video(folder / "a.mp4", regular(9)), write_video(folder / "b.mkv", regular(8)), folder / "c.mp4"]
    videos, config = [video_of(path) for path in paths], config_of(folder, workers=0)
    with CutVideos(config).open() as finish:
        finish(VideoBatch(tuple(videos)))
    return config, videos


def test_each_video_has_a_report_and_rows_of_the_ledger(cut: tuple[ClipsConfig, list[Video]]) -> None:
    config, videos = cut
    reports = [read_report(config.folder, video.sha256) for video in videos]
    assert [len(keys) for _, keys in reports] == [5, 4, 0]
    counts = {(row.unit, row.records_in, row.kept) for rows, _ in reports for row in rows}
    assert counts == {("video", 1, 1), ("video", 1, 0), ("clip", 5, 5), ("clip", 4, 4)}
    rows = list(tables.read_records(f"{config.folder}/videos/ledger/{videos[2].sha256}.parquet", LedgerRow))
    assert [(row.url, row.unit, row.reason) for row in rows] == [("c.mp4", "video", "not_a_video")]
    assert CutVideos(config).is_finished(VideoBatch(tuple(videos)))


def test_shards_hold_all_clips_in_order_of_their_keys(cut: tuple[ClipsConfig, list[Video]]) -> None:
    config, videos = cut
    reports = {video.sha256: read_report(config.folder, video.sha256) for video in videos}
    keys = sorted(key for _, found in reports.values() for key in found)
    for number in (1, 4):
        shards = shards_of(reports, number)
        assert [shard.index for shard in shards] == list(range(number))
        found = [[sample.key for sample in samples_of(shard, config.cut.folder)] for shard in shards]
        assert [key for names in found for key in names] == keys
        assert all(shard_of(key, number) == index for index, names in enumerate(found) for key in names)


def test_a_finished_video_is_not_cut_again(
    cut: tuple[ClipsConfig, list[Video]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, videos = cut
    new = video_of(write_video(tmp_path / "d.mp4", regular(1)))
    seen: list[str] = []

    def watch(video: Video, config: CutConfig) -> CutVideo:
        seen.append(video.name)
        return cut_video(video, config)

    monkeypatch.setattr(module, "cut_video", watch)
    batch = VideoBatch((*videos, new))
    assert not CutVideos(config).is_finished(batch)
    with CutVideos(config).open() as finish:
        finish(batch)
    assert seen == ["d.mp4"]


def die(video: Video, config: CutConfig) -> CutVideo:
    """Kill the worker at one video, spin at another, and cut the others."""
    if video.name == "dies.mp4":
        os._exit(9)
    while video.name == "spins.mp4":
        pass
    return cut_video(video, config)


def test_a_worker_that_dies_or_takes_too_long_costs_its_video_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "cut_video", die)
    good = write_video(tmp_path / "good.mp4", regular(1)).read_bytes()
    paths = [tmp_path / f"{name}.mp4" for name in ("dies", "spins", "good")]
    for path in paths:
        path.write_bytes(good + path.name.encode())
    pool = PoolConfig(chunk_items=1, cpu_seconds=1)
    config = config_of(tmp_path, workers=2, pool=pool)
    with CutVideos(config).open() as finish:
        counts = finish(VideoBatch(tuple(map(video_of, paths))))
    dead = sorted(reason for row in counts for reason in row.dead)
    assert dead == ["worker_died", "worker_died"]
    assert sum(row.kept for row in counts if row.unit == "video") == 1


def test_videos_are_cut_in_batches(tmp_path: Path) -> None:
    video = Video(path="a", name="a", sha256="0", bytes=1)
    assert [len(batch.videos) for batch in batches_of([video] * (2 * BATCH + 1))] == [BATCH, BATCH, 1]
