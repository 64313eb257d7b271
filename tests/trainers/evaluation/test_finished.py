"""Finished batches are kept by number; a damaged file counts as none; a digest is that of all that was read."""

import hashlib
from pathlib import Path

import torch

from corpusloom.trainers.evaluation.finished import FinishedBatches, Measured, content_digest, identity, records_digest
from tests.trainers.datasets import coloured_pairs, write_pairs


def test_a_batch_is_read_back_with_the_samples_that_it_lacks(tmp_path: Path) -> None:
    batches = FinishedBatches(str(tmp_path / "new"))
    assert batches.read(3) is None
    batches.write(3, Measured({"x": torch.arange(6).view(3, 2)}, ("k: no_image",)))
    found = batches.read(3)
    assert found is not None
    assert found.tensors["x"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert (found.skipped, found.reused) == (("k: no_image",), 1)
    (file,) = (tmp_path / "new").iterdir()
    file.write_bytes(file.read_bytes()[:40])
    assert batches.read(3) is None


def test_without_a_folder_nothing_is_kept() -> None:
    batches = FinishedBatches(None)
    batches.write(0, Measured({"x": torch.zeros(1)}))
    assert batches.read(0) is None


def test_a_digest_is_that_of_the_manifest_or_of_all_files(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "pairs", coloured_pairs(2))
    other = write_pairs(tmp_path / "others", coloured_pairs(3))
    assert content_digest(data) == content_digest(data) != content_digest(other)
    folder = tmp_path / "plain"
    (folder / "test").mkdir(parents=True)
    (folder / "test" / "0.tar").write_bytes(b"1")
    before = content_digest(str(folder))
    (folder / "test" / "0.tar").write_bytes(b"2")
    assert content_digest(str(folder)) != before
    assert content_digest(str(folder / "test" / "0.tar")) == hashlib.sha256(b"2").hexdigest()
    assert identity("a", {"b": 1}) != identity("a", {"b": 2})


def test_the_digest_of_records_does_not_read_the_images_below(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.json").write_text("{}")
    (tmp_path / "questions.json").write_text("[1]")
    before = records_digest(str(tmp_path))
    (tmp_path / "images" / "a.json").write_text("[]")
    (tmp_path / "video.avi").write_bytes(b"x")
    assert records_digest(str(tmp_path)) == before
    (tmp_path / "questions.json").write_text("[2]")
    assert records_digest(str(tmp_path)) != before
