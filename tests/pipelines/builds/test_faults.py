"""Faults during a build: a full disk, a clock that jumps, a second build, a changed configuration."""

import dataclasses
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpusloom.pipelines.builds import plan as build_plan
from corpusloom.pipelines.datasets.verify import verify
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.pipelines.stages import shards
from corpusloom.pipelines.store.dataset import folder as store_dataset
from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError, DamageError, InputError, LoomError, ShortageError
from corpusloom.schemas.manifest import read_manifest
from tests.pipelines.command_line import check_refused, environment, loom
from tests.pipelines.small_web import SmallWeb, small_web


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallWeb]:
    """Return a small web, scraped, with a dataset of pairs."""
    with small_web(tmp_path_factory.mktemp("faults")) as made:
        made.scrape()
        made.build("align", "align")
        yield made


def digest_of(folder: Path) -> str:
    """Return the digest of a dataset that verifies."""
    assert list(verify(str(folder), "deep")) == []
    return read_manifest(str(folder)).digest


def mount(folder: Path, options: str) -> bool:
    """Mount or remount a small disk in memory; return False if this process may not."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


SIZES = (40, 150, 500, 1_000, 8_000)
"""KB of the disk: too small for the stages, for the store, for a tar; large enough."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mount(folder, f"size={SIZES[0]}k"):
        pytest.skip("needs root to mount a small disk; test_bad_input limits the size of files instead")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_build_resumes_after_the_disk_was_full_in_every_stage(web: SmallWeb, small_disk: Path) -> None:
    places = {name: str(small_disk / name) for name in ("out", "work", "store")}
    full = set()
    for size in SIZES[:-1]:
        assert mount(small_disk, f"remount,size={size}k")
        with pytest.raises(ShortageError, match="No space left on device") as refused:
            web.build("align", "", **places)
        full.add(str(refused.value.where).removeprefix(f"{small_disk}/").split("/")[0])
        assert not (small_disk / "out" / "manifest.json").exists()
    assert full == set(places)
    assert mount(small_disk, f"remount,size={SIZES[-1]}k")
    web.build("align", "", **places)
    assert digest_of(small_disk / "out") == digest_of(web.folder / "align")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # an idle thread of Beam
def test_a_clock_that_jumps_changes_no_byte(web: SmallWeb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng, start = random.Random(7), time.time()
    year = 366 * 86_400
    monkeypatch.setattr(time, "time", lambda: start + rng.uniform(-year, year))
    monkeypatch.setattr(time, "time_ns", lambda: int(time.time() * 1e9))
    web.build("align", "", **{name: str(tmp_path / name) for name in ("out", "work", "store")})
    assert digest_of(tmp_path / "out") == digest_of(web.folder / "align")


HELD = """
import sys, time
from corpusloom.pipelines.store.dataset import folder as dataset
with dataset.building(sys.argv[1]):
    print("building", flush=True)
    time.sleep(600)
"""


def test_the_second_build_into_a_folder_is_refused_naming_the_first(web: SmallWeb, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    with subprocess.Popen([sys.executable, "-c", HELD, out], stdout=subprocess.PIPE, env=environment()) as first:
        assert first.stdout is not None
        first.stdout.readline()
        argv = ["build", "align", "--warc", str(web.folder / "crawl"), "--out", out, "--contact", "me@example.org"]
        since = time.strftime("since 20%y-")
        check_refused(loom(*argv), 1, f"{out}: process {first.pid} on {os.uname().nodename} {since}", "wait for it")
        assert not (tmp_path / "out.work" / "stages").exists()
        first.kill()
    web.build("align", "", out=out)
    assert digest_of(tmp_path / "out") == digest_of(web.folder / "align")


def test_a_claim_is_dead_with_its_process_even_if_its_number_is_used_again(tmp_path: Path) -> None:
    out = str(tmp_path)
    mine = store_dataset.Claim.mine("x")
    parent = dataclasses.replace(mine, pid=os.getppid(), born="1")
    storage.write_bytes(f"{out}/{store_dataset.CLAIM}", parent.to_json())
    (tmp_path / "00000.tar").write_bytes(b"half of x")
    store_dataset.claim(out, "x")
    assert (tmp_path / "00000.tar").exists()
    storage.write_bytes(f"{out}/{store_dataset.CLAIM}", b'{"fingerp')  # its writer was killed while writing it
    store_dataset.claim(out, "y")
    assert not (tmp_path / "00000.tar").exists()
    with pytest.raises(InputError), store_dataset.building(out):
        raise InputError("what fails", where="here")
    left = json.loads((tmp_path / store_dataset.CLAIM).read_text())
    assert (left["fingerprint"], left["pid"], left["host"]) == ("y", store_dataset.NOBODY, "")
    with store_dataset.building(out):
        pass
    assert os.listdir(out) == []


def test_a_manifest_cut_short_is_found_and_written_anew(web: SmallWeb, tmp_path: Path) -> None:
    places = {"out": str(tmp_path / "out"), "work": str(tmp_path / "work")}
    web.build("align", "", **places)
    manifest = tmp_path / "out" / "manifest.json"
    whole = manifest.read_bytes()
    manifest.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DamageError, match=r"not a manifest: .*run loom build again"):
        list(verify(places["out"]))
    with pytest.raises(ConfigError, match="another configuration"):
        web.build("m3w", "", **places)
    assert os.listdir(tmp_path / "out").count(store_dataset.CLAIM) == 0
    tar = (tmp_path / "out" / "00000.tar").stat().st_mtime_ns
    assert "shards" not in web.build("align", "", **places).reused
    assert digest_of(tmp_path / "out") == digest_of(web.folder / "align")
    assert (tmp_path / "out" / "00000.tar").stat().st_mtime_ns == tar
    assert manifest.read_bytes() == whole


def fail_at_the_third_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a build fail at its third shard."""
    write = shards.write_shard

    def fail(index: int, *rest: object) -> object:
        if index == 2:
            raise InputError("the disk is gone", where="shard 2")
        return write(index, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(shards, "write_shard", fail)


def test_a_config_changed_during_a_build_leaves_no_shards_of_the_old_one(
    web: SmallWeb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = load_recipe("align", ("filters.min_side=64", "filters.captions.min_words=5"))
    places = {"out": str(tmp_path / "out"), "work": str(tmp_path / "work"), "shards": 4}
    for recipe in ("align", strict):
        with monkeypatch.context() as patched:
            fail_at_the_third_shard(patched)
            with pytest.raises(LoomError, match="the disk is gone"):
                web.build(recipe, "", **places)
    for recipe in ("align", strict):
        plan = dict(build_plan.plan(web.config(recipe, "", **places)))
        assert (plan["extract"], plan["images"]) == ("reused", "reused")
        assert plan["shards"].startswith("runs: ")
        whole = web.build(recipe, "", **places).manifest
        fresh = web.build(recipe, "", **places | {"out": str(tmp_path / "fresh"), "work": str(tmp_path / "w")}).manifest
        assert whole is not None
        assert fresh is not None
        assert digest_of(tmp_path / "out") == whole.digest == fresh.digest
        shutil.rmtree(tmp_path / "fresh")
        (tmp_path / "out" / "manifest.json").unlink()
