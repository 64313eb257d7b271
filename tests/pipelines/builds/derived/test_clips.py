"""A dataset of clips: what it is made from, what changes it, what a kill costs, and what the commands say of it."""

import contextlib
import dataclasses
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpusloom.pipelines.builds.config import BuildConfig, BuildReport
from corpusloom.pipelines.builds.derived import clips
from corpusloom.pipelines.cli import main
from corpusloom.pipelines.datasets.stats.summary import summarise
from corpusloom.pipelines.datasets.verify import verify
from corpusloom.pipelines.datasets.why import why
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.recipes.keys import keys_of
from corpusloom.pipelines.recipes.recipe import Recipe, load_recipe
from corpusloom.pipelines.stages.clips.cut_video import cut_video, fragment_paths
from corpusloom.pipelines.stages.clips.find_videos import find_videos
from corpusloom.pipelines.store.lists.list_config import PairListConfig
from corpusloom.schemas import tables
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.images.decoding import decode_rgb
from corpusloom.schemas.manifest import Manifest, read_manifest
from corpusloom.schemas.records import LedgerRow, SidecarRow
from corpusloom.trainers.flamingo.config import FlamingoDataConfig
from corpusloom.trainers.flamingo.data import FlamingoTransform
from corpusloom.trainers.stream.dataset import StreamingDataset
from tests.pipelines.small_web import QUIET
from tests.pipelines.stages.clips.videos import regular, write_video
from tests.trainers.flamingo.test_data import VOCABULARY

CUES = "WEBVTT\n\n00:00.500 --> 00:02.000\nthe first words\n\n00:59.000 --> 01:00.000\nlate words\n"


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of four videos and what is none: 4 clips with a title, 1 of 2 with subtitles, a copy."""
    folder = tmp_path_factory.mktemp("videos")
    write_video(folder / "titled.mp4", regular(95), title="a title of a long video")
    write_video(folder / "spoken.mkv", regular(4))
    (folder / "spoken.en.vtt").write_text(CUES)
    write_video(folder / "silent.mp4", regular(2))
    (folder / "broken.mp4").write_bytes(b"no video")
    shutil.copy(folder / "titled.mp4", folder / "zcopy.mp4")
    return folder


def config_of(folder: Path, source: Path, recipe: Recipe | None = None, **changes: Any) -> BuildConfig:
    values = {
        "videos": (str(source),),
        "workers": 0,
        "work": str(folder / "work"),
        "out": str(folder / "out"),
    } | changes
    return BuildConfig(
        recipe=recipe or load_recipe("vtp"), store=str(folder / "store"), fetch=FetchConfig(contact=None), **values
    )


def build(folder: Path, source: Path, /, *assignments: str, **changes: Any) -> BuildReport:
    return clips.build_dataset(config_of(folder, source, load_recipe("vtp", assignments), **changes), QUIET)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, videos: Path) -> Path:
    """Return a folder with the dataset of the videos."""
    folder = tmp_path_factory.mktemp("built")
    build(folder, videos)
    return folder


def manifest_of(folder: Path) -> Manifest:
    return read_manifest(str(folder / "out"))


def rows_of(folder: Path) -> list[SidecarRow]:
    shards = manifest_of(folder).shards
    return [
        row for shard in shards for row in tables.read_records(str(folder / "out" / shard.sidecar.name), SidecarRow)
    ]


def test_every_video_and_clip_has_an_outcome(built: Path) -> None:
    counts = {(row.stage, row.unit): row for row in manifest_of(built).counts}
    assert counts["clips", "video"].records_in == 5
    assert counts["clips", "video"].rejected == {"copy_of_video": 1, "no_text": 1, "not_a_video": 1}
    assert counts["clips", "clip"].rejected == {"cues_after_end": 1}
    assert counts["clips", "clip"].kept == counts["shards", "clip"].kept == manifest_of(built).samples == 4 + 1
    rows = tables.read_records(str(built / "out/ledger/clips.parquet"), LedgerRow)
    assert {(row.url, row.unit, row.reason) for row in rows} == {
        ("zcopy.mp4", "video", "copy_of_video"),
        ("silent.mp4", "video", "no_text"),
        ("broken.mp4", "video", "not_a_video"),
        ("spoken.mkv", "clip", "cues_after_end"),
    }
    assert list(verify(str(built / "out"), "deep")) == []


def test_samples_have_frames_text_and_times(built: Path) -> None:
    rows = sorted(rows_of(built), key=lambda row: (row.url, row.images))
    assert [(row.url, row.images, row.caption) for row in rows] == [
        ("spoken.mkv", 2, "the first words"),
        ("titled.mp4", 5, "a title of a long video"),
        *[("titled.mp4", 30, "a title of a long video")] * 3,
    ]
    assert {row.language for row in rows} == {"en"}
    assert manifest_of(built).kind == "clips"
    assert json.loads(manifest_of(built).config)["clips"]["max_seconds"] == 30


def test_a_second_build_reuses_the_first(built: Path, videos: Path) -> None:
    again = build(built, videos)
    assert (again.reused, again.manifest) == (("clips",), manifest_of(built))


def test_workers_order_and_place_do_not_change_the_digest(built: Path, videos: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(videos, tmp_path / "elsewhere")
    names = sorted(path.name for path in moved.iterdir() if path.suffix in (".mp4", ".mkv"))
    found = build(tmp_path, moved, videos=tuple(str(moved / name) for name in names[::-1]), workers=2).manifest
    assert found is not None
    assert found.digest == manifest_of(built).digest


def test_other_shards_hold_the_same_samples(built: Path, videos: Path, tmp_path: Path) -> None:
    build(tmp_path, videos, shards=4)
    assert [(row.key, row.caption) for row in rows_of(tmp_path)] == [(row.key, row.caption) for row in rows_of(built)]


CHANGES = {
    "name": "other",
    "description": "other",
    "kind": None,
    "clips.max_seconds": "7",
    "clips.fps": "2.0",
    "clips.subtitle_languages": '["de"]',
    "images.format": "png",
    "images.resize": "24",
    "images.resize_mode": "border",
    "images.resize_only_if_bigger": "false",
    "images.quality": "20",
    "split.val": "1.0",
}
"""Per key of a recipe of clips a value that changes the dataset; another kind is another dataset."""


def test_every_key_of_clips_is_listed_here() -> None:
    keys = {key.path for key in keys_of(Recipe) if key.table is None and (not key.kinds or "clips" in key.kinds)}
    assert keys == set(CHANGES)


def made_of(folder: Path, source: Path, assignments: tuple[str, ...]) -> tuple[str, list[tuple[bytes, object]]]:
    """Return the fingerprint of a build, and the tars and rows of its videos, made without a pipeline."""
    config = config_of(folder, source, load_recipe("vtp", assignments))
    found = find_videos(config.videos, config.recipe.clips.subtitle_languages)
    cut = clips.cut_config(config.recipe, str(folder), None)
    made = []
    for video in found:
        cut_video(video, cut)
        tar, sidecar = fragment_paths(str(folder), video.sha256)
        made.append((Path(tar).read_bytes(), list(tables.read_records(sidecar, SidecarRow))))
    return clips.plan(config, found).fingerprint, made


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of two short videos, one of them with subtitles."""
    folder = tmp_path_factory.mktemp("short")
    write_video(folder / "titled.mp4", regular(9), title="a title")
    write_video(folder / "spoken.mp4", regular(2), title="another title")
    (folder / "spoken.en.vtt").write_text(CUES)
    return folder


@pytest.mark.parametrize("key", [key for key, value in CHANGES.items() if value is not None])
def test_each_key_changes_the_dataset(key: str, short: Path, tmp_path: Path) -> None:
    beside = ("images.resize=24",) if key == "images.resize_mode" else ()
    beside = ("images.resize=96",) if key == "images.resize_only_if_bigger" else beside
    before, after = (
        made_of(tmp_path / name, short, assignments)
        for name, assignments in (("before", beside), ("after", (*beside, f"{key}={CHANGES[key]}")))
    )
    assert before[0] != after[0]
    assert (before[1] != after[1]) is (key not in ("name", "description"))


def test_another_recipe_is_not_written_over_a_finished_dataset(built: Path, videos: Path) -> None:
    with pytest.raises(ConfigError, match="another configuration"):
        build(built, videos, "clips.fps=2.0")


def test_a_damaged_manifest_is_written_anew(short: Path, tmp_path: Path) -> None:
    first = build(tmp_path, short).manifest
    path = tmp_path / "out" / "manifest.json"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    again = build(tmp_path, short).manifest
    assert again == first
    assert path.read_bytes() == whole


def test_the_commands_know_the_dataset(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (event,) = [event for event in why(str(built / "out"), "silent.mp4") if event.unit == "video"]
    assert (event.outcome, event.reason) == ("rejected", "no_text")
    key = next(row.key for row in rows_of(built) if row.url == "spoken.mkv")
    events = {(event.stage, event.unit): event.outcome for event in why(str(built / "out"), key) if event.key == key}
    assert events["clips", "clip"] == events["shards", "sample"] == "kept"
    summary = summarise(str(built / "out"))
    assert summary.samples == 5
    assert main.run(["stats", str(built / "out")]) == 0
    assert "clips" in capsys.readouterr().out


def test_flags_that_do_not_fit_are_refused(videos: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "x")
    with pytest.raises(ConfigError, match=r"clips are made from videos.*--video.*--list"):
        main.run(["build", "vtp", "--warc", "a", "--out", out, "--contact", "a@b.example"])
    with pytest.raises(ConfigError, match="not made from videos"):
        main.run(["build", "align", "--video", str(videos), "--out", out])


def test_the_loader_yields_frames_and_text_and_flamingo_trains_on_eight_of_them(built: Path) -> None:
    samples = {sample.key: sample for sample in StreamingDataset(str(built / "out"))}
    assert samples.keys() == {row.key for row in rows_of(built)}
    for row in rows_of(built):
        sample = samples[row.key]
        frames = np.stack([decode_rgb(data) for data in sample.frames])
        assert frames.shape == (row.images, row.height, row.width, 3)
        assert sample.text == row.caption
    transform = FlamingoTransform(VOCABULARY, FlamingoDataConfig(pair_tokens=24), 32)
    images = transform(samples[rows_of(built)[0].key], np.random.default_rng(0))["images"]
    assert images.shape == (1, 8, 3, 32, 32)


def test_a_list_of_urls_is_fetched_once_and_each_row_has_an_outcome(videos: Path, tmp_path: Path) -> None:
    with serve_folder(videos) as server:
        root = f"http://127.0.0.1:{server.server_port}"
        rows = [f"{root}/silent.mp4,a silent video", f"{root}/broken.mp4,text", f"{root}/absent.mp4,text", ",no url"]
        (tmp_path / "list.csv").write_text("\n".join(["url,caption", *rows]) + "\n")
        fetch = FetchConfig(
            contact="https://corpusloom.example/test", delay=0, allow_addresses=(f"127.0.0.0/8:{server.server_port}",)
        )
        columns = PairListConfig(caption_column="caption")
        config = dataclasses.replace(
            config_of(tmp_path, videos), videos=(), lists=(str(tmp_path / "list.csv"),), columns=columns, fetch=fetch
        )
        first = clips.build_dataset(config, QUIET).manifest
    assert first is not None
    (row,) = rows_of(tmp_path)
    assert (row.url, row.caption, row.images) == (f"{root}/silent.mp4", "a silent video", 2)
    ledger = tables.read_records(str(tmp_path / "out/ledger/clips.parquet"), LedgerRow)
    assert {(item.url, item.reason) for item in ledger} == {
        (f"{root}/broken.mp4", "not_a_video"), (f"{root}/absent.mp4", "http_404"), ("", "no_url")
    }  # fmt: skip
    again = dataclasses.replace(config, out=str(tmp_path / "again"), work=str(tmp_path / "other"))
    second = clips.build_dataset(again, QUIET).manifest
    assert second is not None
    assert second.digest == first.digest


@contextlib.contextmanager
def serve_folder(folder: Path) -> Iterator[ThreadingHTTPServer]:
    """Serve a folder on loopback."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_killed_build_resumes_to_the_same_digest(built: Path, videos: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "corpusloom",
        "build",
        "vtp",
        "--video",
        str(videos),
        "--out",
        str(tmp_path / "out"),
    ]
    command += ["--work", str(tmp_path / "work"), "--workers", "1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    reports = tmp_path / "work" / "stages"
    deadline = time.monotonic() + 120
    while not list(reports.glob("*/videos-done/*.json")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out" / "manifest.json").exists()
    done = len(list(reports.glob("*/videos-done/*.json")))
    assert done >= 1
    manifest = build(tmp_path, videos).manifest
    assert manifest is not None
    assert manifest.digest == manifest_of(built).digest
    assert list(verify(str(tmp_path / "out"), "deep")) == []
