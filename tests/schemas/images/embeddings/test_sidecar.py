"""A sidecar is read part by part, by sha256, and by key for its scores."""

from pathlib import Path

import numpy as np
import pytest

from corpusloom.schemas.errors import DamageError, InputError
from corpusloom.schemas.images.embeddings.nearest import nearest
from corpusloom.schemas.images.embeddings.sidecar import open_sidecar
from tests.schemas.images.embeddings.sidecars import random_embeddings, write_sidecar

ROOT = Path(__file__).parents[4]
ROWS = random_embeddings(9)


def test_parts_come_in_order_and_images_are_found_by_sha256(tmp_path: Path) -> None:
    sidecar = open_sidecar(write_sidecar(tmp_path / "s", ROWS), "d" * 64)
    assert np.array_equal(np.concatenate([part.embeddings for part in sidecar.image_parts()]), ROWS)
    assert list(sidecar.text_parts()) == []
    found = sidecar.find([f"{number:064d}" for number in (8, 2, 99)])
    assert {name: row.tolist() for name, row in found.items()} == {
        f"{number:064d}": ROWS[number].tolist() for number in (2, 8)
    }


def test_scores_come_by_key_and_a_dataset_without_pairs_has_none(tmp_path: Path) -> None:
    scores = open_sidecar(write_sidecar(tmp_path / "s", ROWS, scored=3)).scores()
    assert scores.column("key").to_pylist() == ["key-0", "key-1", "key-2"]
    assert scores.column("score").to_pylist() == [0.0, pytest.approx(0.1), None]
    with pytest.raises(InputError, match="has no scores"):
        open_sidecar(write_sidecar(tmp_path / "t", ROWS)).scores()


def test_rows_are_found_by_their_least_score(tmp_path: Path) -> None:
    sidecar = open_sidecar(write_sidecar(tmp_path / "s", ROWS, scored=5))
    assert {shard: rows.tolist() for shard, rows in sidecar.rows_by_score(0.15).items()} == {0: [2, 3]}
    assert sidecar.rows_by_score(0.9) == {}


def test_the_example_of_the_documentation_finds_the_nearest_image(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_sidecar(tmp_path / "s", ROWS)
    example = (ROOT / "docs/formats.md").read_text(encoding="utf-8").split("```python\nimport numpy")[1].split("```")[0]
    exec("import numpy" + example.replace("data/align.embeddings", folder), {})
    second = nearest(open_sidecar(folder), ROWS[:1], 2)[0][1]
    assert capsys.readouterr().out == f"most like key-0 is {second.key}\n"


def test_a_changed_dataset_or_part_is_refused(tmp_path: Path) -> None:
    folder = write_sidecar(tmp_path / "s", ROWS)
    with pytest.raises(InputError, match="digest has changed"):
        open_sidecar(folder, "e" * 64)
    (tmp_path / "s/images/00001.parquet").replace(tmp_path / "s/images/00002.parquet")
    with pytest.raises(DamageError, match="unlike embeddings"):
        open_sidecar(folder).image_part(2)
