"""Bad input, full disks and Ctrl-C: one line, the right exit code, no partial output that looks whole, no loss."""

import ctypes
import json
import os
import resource
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.pipelines.datasets.verify import verify
from corpusloom.pipelines.stages.scrape.scrape_lane import frontier_rows
from corpusloom.pipelines.store.dataset.folder import CLAIM
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.schemas import identity, layout
from corpusloom.schemas.manifest import read_manifest
from tests.pipelines.command_line import check_interrupted, check_refused, interrupt, interrupt_at, loom
from tests.pipelines.small_web import SmallWeb, small_web

CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, PR_CAPBSET_DROP = 1, 2, 24


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallWeb]:
    """Return a small web, scraped, with a dataset of pairs."""
    with small_web(tmp_path_factory.mktemp("bad")) as made:
        made.scrape()
        made.build("align", "align")
        yield made


def fetching(web: SmallWeb, delay: float = 0) -> list[str]:
    """Return the flags with which a command may fetch only from the small web."""
    address = f"127.0.0.0/8:{web.server.port}"
    return ["--contact", "me@example.org", "--allow-addresses", address, "--delay", str(delay)]


def obey_permissions() -> None:
    """Make a process of root obey file permissions, as other users' processes do."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None)
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def small_files(limit: int) -> Callable[[], None]:
    """Return a function that limits the files of a process to `limit` bytes, which acts like a full disk."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def test_the_misspelt_is_named_before_the_missing() -> None:
    check_refused(loom("build", "m3w", "--wrac", "x"), 2, "no option --wrac", "did you mean --warc?")


def test_a_misspelt_recipe_key_is_named(tmp_path: Path) -> None:
    argv = ["pages", "m3w", "--warc", "x", "--out", str(tmp_path / "o"), "--set", "filters.qualty.min_words=3"]
    check_refused(loom(*argv), 2, "unknown key filters.qualty.min_words", "did you mean filters.quality.min_words?")


def test_a_missing_and_an_unreadable_seed_file_are_named(web: SmallWeb, tmp_path: Path) -> None:
    seeds, out = tmp_path / "seeds.txt", tmp_path / "out"
    argv = ["scrape", "--seeds", str(seeds), "--out", str(out), *fetching(web)]
    check_refused(loom(*argv), 1, f"{seeds}: No such file")
    seeds.write_text("http://a.localhost/")
    seeds.chmod(0)
    check_refused(loom(*argv, preexec_fn=obey_permissions), 1, f"{seeds}: Permission denied")
    assert not out.exists()


@pytest.mark.parametrize("command", ["scrape", "build", "stats"])
def test_a_read_only_folder_is_named_before_any_work(web: SmallWeb, tmp_path: Path, command: str) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    out = str(locked / "out")
    argv = {
        "scrape": ["--seeds", str(web.folder / "seeds.txt"), "--out", out, *fetching(web)],
        "build": [
            "m3w",
            "--warc",
            str(web.folder / "crawl"),
            "--out",
            out,
            "--work",
            str(tmp_path / "w"),
            *fetching(web),
        ],
        "stats": [str(web.folder / "align"), "--html", f"{out}.html"],
    }[command]
    hits = web.server.counted().total()
    check_refused(loom(command, *argv, preexec_fn=obey_permissions), 1, out, "Permission denied", "permissions")
    assert web.server.counted().total() == hits
    assert not (tmp_path / "w" / "stages").exists()


def test_a_full_disk_leaves_no_dataset_and_costs_nothing_that_was_finished(web: SmallWeb, tmp_path: Path) -> None:
    out, work = tmp_path / "out", tmp_path / "work"
    argv = ["build", "align", "--warc", str(web.folder / "crawl"), "--out", str(out), "--work", str(work)]
    argv += ["--store", str(web.folder / "store"), *fetching(web)]
    tar = (web.folder / "align" / "00000.tar").stat().st_size
    check_refused(loom(*argv, preexec_fn=small_files(tar // 2)), 1, "File too large", "check free space")
    assert {path.name for path in out.iterdir()} <= {CLAIM}
    check_refused(loom("verify", str(out)), 1, "no manifest.json", "run loom build again")
    ended = loom(*argv)
    assert ended.code == 0
    assert "reused: extract, select, images" in ended.out
    assert read_manifest(str(out)).digest == read_manifest(str(web.folder / "align")).digest


def test_a_full_disk_behind_standard_output_is_one_line(web: SmallWeb) -> None:
    with open("/dev/full", "w") as full:
        check_refused(loom("stats", str(web.folder / "align"), "--json", stdout=full), 1, "No space left on device")


def test_a_file_that_is_no_warc_is_named(web: SmallWeb, tmp_path: Path) -> None:
    junk = tmp_path / "junk.warc.gz"
    junk.write_bytes(bytes(range(256)) * 8)
    ended = loom("build", "m3w", "--warc", str(junk), "--out", str(tmp_path / "out"), "--contact", "me@example.org")
    check_refused(ended, 1, f"{junk}: no record can be read", "gzip -t")
    assert not (tmp_path / "out" / layout.MANIFEST).exists()


@pytest.mark.parametrize("command", ["regions", "train"])
def test_a_dataset_of_a_newer_version_is_refused(tmp_path: Path, command: str) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"format_version": 99}))
    argv = {
        "regions": ["build", "regions", "--from", str(tmp_path), "--out", str(tmp_path / "o")],
        "train": ["train", "clip", "--config", "clip-tiny", "--data", str(tmp_path), "--out", str(tmp_path / "o")],
    }[command]
    check_refused(loom(*argv), 1, f"{tmp_path}: dataset of format 99", "upgrade corpusloom")


def test_an_empty_dataset_is_whole_but_nothing_to_train_on(
    web: SmallWeb, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from corpusloom.pipelines.recipes.recipe import load_recipe

    web.build(load_recipe("align", ("filters.captions.min_words=99",)), "empty")
    empty = str(web.folder / "empty")
    assert read_manifest(empty).samples == 0
    assert main.run(["stats", empty, "--html", str(tmp_path / "r.html")]) == 0
    assert "0 samples" in capsys.readouterr().out
    assert main.run(["verify", empty]) == 0
    argv = ["train", "clip", "--config", "clip-tiny", "--data", empty, "--out", str(tmp_path / "run")]
    check_refused(loom(*argv), 1, f"{empty}: holds no sample", "loom stats")


def test_extract_prints_what_stands_before_a_cut_and_says_so(web: SmallWeb, tmp_path: Path) -> None:
    cut = tmp_path / "cut.warc.gz"
    whole = max((web.folder / "crawl").glob("*.warc.gz"), key=lambda path: path.stat().st_size).read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    ended = loom("extract", str(cut), "--no-filters", "--workers", "0")
    check_refused(ended, 1, f"{cut}: ends in the middle of a record")
    assert len([json.loads(line) for line in ended.out.splitlines()]) > 10


def test_a_cut_tar_is_not_taken_for_broken_images(web: SmallWeb, tmp_path: Path) -> None:
    copy, out = tmp_path / "copy", tmp_path / "out"
    shutil.copytree(web.folder / "align", copy)
    os.truncate(copy / "00000.tar", 100_000)
    ended = loom("build", "regions", "--from", str(copy), "--out", str(out))
    check_refused(ended, 1, "00000.tar: has 100000 bytes", "run loom verify")
    assert not (out / layout.MANIFEST).exists()


def test_a_cut_sidecar_is_damage_among_the_other_damage(web: SmallWeb, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(web.folder / "align", copy)
    os.truncate(copy / "00000.parquet", 2_000)
    (copy / "99999.tar").write_bytes(b"x")
    ended = loom("verify", str(copy), "--quiet")
    assert ended.code == 1
    assert "Traceback" not in ended.err
    assert {line.split(": ")[1] for line in ended.err.splitlines()} == {"00000.parquet", "99999.tar"}


def test_ctrl_c_in_a_scrape_loses_no_page(web: SmallWeb, tmp_path: Path) -> None:
    out = tmp_path / "crawl"
    argv = ["scrape", "--seeds", str(web.folder / "seeds.txt"), "--out", str(out)]
    before = web.server.counted()
    slowly = [sys.executable, "-m", "corpusloom", *argv, *fetching(web, delay=0.1)]
    check_interrupted(interrupt(slowly, lambda: (web.server.counted() - before).total() > 50))
    assert not (out / "scrape.json").exists()
    first = web.server.counted()
    recorded = {(parts.hostname, parts.path) for row in frontier_rows(str(out)) if (parts := urlsplit(row.url))}
    assert recorded
    assert loom(*argv, *fetching(web)).code == 0
    again = web.server.counted() - first
    assert len(set(again) & recorded) <= 2  # targets of redirects from pages found later
    whole = json.loads((web.folder / "crawl" / "scrape.json").read_text())["counts"]
    assert json.loads((out / "scrape.json").read_text())["counts"] == whole


STAGES = [
    "corpusloom.pipelines.stages.extract.extract:extract_warc",
    "corpusloom.pipelines.stages.select.local:write_decisions",
    "corpusloom.pipelines.stages.shards:write_shard",
    "corpusloom.pipelines.builds.finish:write_tables",
]


@pytest.mark.timeout(900)
def test_ctrl_c_in_each_stage_of_a_build_is_resumed(web: SmallWeb, tmp_path: Path) -> None:
    out, work = tmp_path / "out", tmp_path / "work"
    argv = ["build", "align", "--warc", str(web.folder / "crawl"), "--out", str(out), "--work", str(work)]
    argv += fetching(web)
    for place in STAGES:
        check_interrupted(interrupt_at(place, tmp_path / "marker", *argv))
        assert not (out / layout.MANIFEST).exists()
    hits = web.server.counted().total()
    ended = loom(*argv)
    assert ended.code == 0, ended.err
    assert "reused: extract, select, images" in ended.out
    assert web.server.counted().total() == hits
    assert read_manifest(str(out)).digest == read_manifest(str(web.folder / "align")).digest
    assert list(verify(str(out))) == []


def test_ctrl_c_while_images_are_fetched_loses_none(web: SmallWeb, tmp_path: Path) -> None:
    argv = ["images", "align", "--warc", str(web.folder / "crawl"), "--out", str(tmp_path / "o")]
    argv += ["--work", str(web.folder / "work"), "--store", str(tmp_path / "store")]
    before = web.server.counted()

    def pictures() -> Counter[tuple[str, str]]:
        hits = web.server.counted() - before
        return Counter({name: hits[name] for name in hits if name[1].startswith(("/pictures/", "/extra/"))})

    slowly = [sys.executable, "-m", "corpusloom", *argv, *fetching(web, delay=0.1)]
    check_interrupted(interrupt(slowly, lambda: pictures().total() > 14))
    first, index = pictures(), ImageStore(str(tmp_path / "store")).index()
    assert 0 < len(index) < 40
    assert loom(*argv, *fetching(web)).code == 0
    again = [f"http://{host}:{web.server.port}{path}" for host, path in pictures() - first]
    assert again
    assert not [url for url in again if identity.image_key(url) in index]


@pytest.mark.parametrize(
    ("place", "argv"),
    [
        (
            "corpusloom.pipelines.stages.regions.make_regions:write_shard",
            ["build", "regions", "--from", "DATASET", "--out", "OUT"],
        ),
        ("corpusloom.pipelines.datasets.stats.report:render", ["stats", "DATASET", "--html", "OUT"]),
        ("corpusloom.pipelines.datasets.verify:check_ledger", ["verify", "DATASET"]),
        ("corpusloom.pipelines.extract.render:to_jsonl", ["extract", "CRAWL", "--no-filters"]),
        ("corpusloom.pipelines.cli.demo.run:build_world", ["demo", "--quick", "--out", "OUT"]),
    ],
)
def test_ctrl_c_in_other_commands_leaves_nothing_that_looks_whole(
    web: SmallWeb, tmp_path: Path, place: str, argv: list[str]
) -> None:
    names = {"DATASET": str(web.folder / "align"), "CRAWL": str(web.folder / "crawl"), "OUT": str(tmp_path / "out")}
    check_interrupted(interrupt_at(place, tmp_path / "marker", *(names.get(word, word) for word in argv)))
    assert not (tmp_path / "out" / layout.MANIFEST).exists()
    assert not (tmp_path / "out").is_file()


def test_ctrl_c_in_training_saves_the_step_and_resumes_there(web: SmallWeb, tmp_path: Path) -> None:
    run = tmp_path / "run"
    argv = ["train", "clip", "--config", "clip-tiny", "--data", str(web.folder / "align"), "--out", str(run)]
    argv += ["--set", "train.batch_size=8", "train.warmup=0", "train.steps=3"]
    ended = interrupt_at("corpusloom.trainers.training.step:clip_gradients", tmp_path / "marker", *argv, seconds=1.5)
    check_interrupted(ended)
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-00000001"]
    ended = loom(*argv)
    assert ended.code == 0, ended.err
    assert "resumed at step 1" in ended.out
    ended = interrupt_at(
        "corpusloom.trainers.checkpoints.folders:find", tmp_path / "marker", "eval", "retrieval",
        "--checkpoint", str(run),
        "--data", str(web.folder / "align"),
    )  # fmt: skip
    check_interrupted(ended)
