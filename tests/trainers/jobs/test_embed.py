"""A dataset is embedded once: whatever the threads, after a kill, and not again."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.schemas.images.embeddings.manifest import NAME
from corpusloom.schemas.images.embeddings.sidecar import open_sidecar
from corpusloom.trainers.embedding import parts
from corpusloom.trainers.jobs.embed import EmbeddingSettings, check_family, cores, embed
from tests.trainers.clip.folders import hf_folder
from tests.trainers.datasets import coloured_pairs
from tests.trainers.embedding.small import small_pairs
from tests.trainers.stream.datasets import make_dataset, make_image


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART", 4)
    monkeypatch.setattr("corpusloom.trainers.embedding.pair_scores.PART", 4)
    monkeypatch.setattr("corpusloom.trainers.embedding.pair_scores.BLOCK", 6)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return hf_folder(tmp_path_factory.mktemp("clip"))[0]


@pytest.fixture
def pairs(tmp_path: Path) -> str:
    return small_pairs(tmp_path / "pairs")


def files(folder: str) -> dict[str, bytes]:
    """Return the bytes of a folder's files by name."""
    root = Path(folder)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_images_texts_and_scores_are_written_and_a_broken_image_is_listed(clip: str, pairs: str) -> None:
    result = embed(pairs, clip)
    assert result.out == pairs + ".embeddings"
    assert (result.images, result.pairs, result.skipped, result.reused) == (12, 15, 1, 0)
    assert result.texts == len({*(pair.text for pair in coloured_pairs(12)), "another text", "a broken picture"})
    assert result.reasons == {"not_an_image": 1}
    sidecar = open_sidecar(result.out)
    images = np.concatenate([part.embeddings for part in sidecar.image_parts()]).astype(np.float32)
    assert np.abs(np.linalg.norm(images, axis=1) - 1).max() < 2e-3
    scores = sidecar.scores().column("score")
    assert scores.null_count == 1
    assert -1 <= result.scores["min"] <= result.scores["p50"] <= result.scores["max"] <= 1


def test_neither_threads_nor_a_kill_change_a_byte(clip: str, pairs: str, tmp_path: Path) -> None:
    whole = files(embed(pairs, clip, settings=EmbeddingSettings(batch_size=3, workers=1)).out)
    out = str(tmp_path / "again")
    assert files(embed(pairs, clip, out, EmbeddingSettings(batch_size=3, workers=3)).out) == whole
    for name in (NAME, "images/00001.parquet", "texts/00000.parquet", "scores/00001.parquet", "skipped.parquet"):
        (tmp_path / "again" / name).unlink()
    result = embed(pairs, clip, out, EmbeddingSettings(batch_size=3))
    assert files(out) == whole
    assert 0 < result.reused < result.images + result.texts
    assert embed(pairs, clip, out).reused == result.images + result.texts


def test_a_changed_dataset_and_another_precision_are_refused(clip: str, pairs: str, tmp_path: Path) -> None:
    out = embed(pairs, clip).out
    with pytest.raises(InputError, match="in another precision"):
        embed(pairs, clip, settings=EmbeddingSettings(precision="bf16"))
    other = small_pairs(tmp_path / "other", 13)
    with pytest.raises(InputError, match="digest has changed since"):
        embed(other, clip, out)


def test_pages_have_images_alone(clip: str, tmp_path: Path) -> None:
    page = {"000.jpg": make_image(0), "001.jpg": make_image(1), "json": b"{}"}
    result = embed(make_dataset(tmp_path, "interleaved", [("0" * 32, page)], shards=1), clip)
    assert (result.images, result.texts, result.pairs, result.scores) == (2, 0, 0, {})


def test_each_stage_is_shown_with_its_counts(clip: str, pairs: str) -> None:
    seen = []

    @contextlib.contextmanager
    def stage(name: str, total: int | None = None, done: object = None, unit: str = "") -> Iterator[None]:
        yield
        seen.append((name, total, done() if callable(done) else None))

    embed(pairs, clip, stages=stage)
    assert [name for name, *_ in seen] == ["plan", "images", "texts", "scores"]
    assert seen[1] == ("images", 13, 13)
    assert seen[3][2] == 15


def test_a_model_without_an_image_tower_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "vilbert"}')
    with pytest.raises(ConfigError, match="a vilbert has no embeddings of images"):
        check_family(str(tmp_path))
    assert cores() >= 1
