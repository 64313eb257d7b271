"""Each check of `make real` passes on good input and fails on the fault that it is for."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from benchmarks.real import checks
from benchmarks.real.__main__ import MARK, fresh
from benchmarks.real.sites import TRAPS
from corpusloom.pipelines.extract.reading.fast_walk.walk import fast_walk
from corpusloom.pipelines.extract.reading.types import ExtractConfig, RawPage
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.manifest import Manifest
from corpusloom.schemas.records import FileEntry, StageCounts

PAGES = {"http://a.localhost/": b"<html><body><h1>Title</h1><p>A text of a few words and a picture.</p><img src=i.png>"}


def counted(stage: str, unit: str, total: int, kept: int, **rejected: int) -> StageCounts:
    return StageCounts(stage=stage, unit=unit, records_in=total, kept=kept, rejected=rejected)


COUNTS = (
    counted("extract", "record", 5, 4, not_html=1),
    counted("extract", "page", 4, 4),
    counted("select", "page", 4, 3, language=1),
    counted("shards", "page", 3, 2, no_image=1),
)
MANIFEST = Manifest(
    recipe="m3w", kind="interleaved", config="{}", inputs=(), shard_count=1, samples=2, counts=COUNTS, shards=(),
    tables=(), digest="",
)  # fmt: skip


def test_only_counts_that_add_up_pass() -> None:
    assert checks.check_ledger("m3w", COUNTS).held
    lost = checks.check_ledger("m3w", [*COUNTS, counted("images", "image", 3, 1, http_404=1)])
    assert not lost.held
    assert "images/image: 1" in lost.found


@pytest.mark.parametrize(("answers", "samples", "held"), [(5, 2, True), (6, 2, False), (5, 1, False)])
def test_only_stages_that_take_in_what_the_last_one_kept_pass(answers: int, samples: int, held: bool) -> None:
    assert checks.check_chain("m3w", dataclasses.replace(MANIFEST, samples=samples), answers).held is held


def test_a_second_build_must_be_the_same() -> None:
    card = FileEntry(name="README.md", sha256="1", bytes=1)
    first = dataclasses.replace(MANIFEST, documents=(card,))
    assert checks.check_again(first, first).held
    other = dataclasses.replace(first, documents=(dataclasses.replace(card, sha256="2"),))
    assert "README.md" in checks.check_again(first, other).found
    assert not checks.check_again(first, dataclasses.replace(first, samples=3)).held


def test_the_walks_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.check_walks(PAGES).held
    assert not checks.check_walks({}).held

    def less(source: bytes, url: str, config: ExtractConfig) -> RawPage:
        page = fast_walk(source, url, config)
        page.runs[-1].kind = "quote"
        return page

    def broken(*_: Any) -> RawPage:
        raise ValueError("broken")

    monkeypatch.setattr(checks, "fast_walk", less)
    assert not checks.check_walks(PAGES).held
    monkeypatch.setattr(checks, "fast_walk", broken)  # extraction would fall back to the reference walk
    assert not checks.check_walks(PAGES).held


def test_the_trap_must_have_been_tried_and_refused() -> None:
    refused = {f"http://trap.localhost:1{path}": reason for path, reason in TRAPS.items()}
    assert checks.check_trap(0, refused).held
    assert not checks.check_trap(1, refused).held
    assert not checks.check_trap(0, {}).held


def test_a_loss_that_does_not_fall_is_found() -> None:
    assert checks.check_training([(1, 4.9), (300, 1.0)], 128).held
    assert not checks.check_training([(300, 4.8)], 128).held
    assert not checks.check_training([(300, float("nan"))], 128).held
    assert not checks.check_training([], 128).held


def test_a_folder_without_the_mark_of_a_run_is_never_emptied(tmp_path: Path) -> None:
    (fresh(tmp_path) / "old").touch()
    assert [path.name for path in fresh(tmp_path).iterdir()] == [MARK]
    (tmp_path / "run" / MARK).unlink()
    with pytest.raises(InputError, match="not of an earlier run"):
        fresh(tmp_path)
