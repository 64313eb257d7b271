"""The sources of regions: a detector that is chosen by a recipe, or files with a detector's outputs."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol

from corpusloom.pipelines.models.detector import EfficientNetDetector
from corpusloom.pipelines.models.query_detector import QueryDetector
from corpusloom.pipelines.recipes.region_settings import OFFLINE, RegionSettings
from corpusloom.pipelines.stages.regions.grid import GridRegions
from corpusloom.pipelines.stages.regions.pairs_of_shard import ReadPair
from corpusloom.pipelines.stages.regions.queries import QueryRegions
from corpusloom.pipelines.stages.regions.tsv.source import TsvRegions
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.records import DetectorOutput, FileEntry


class RegionSource(Protocol):
    """Finds the regions of images."""

    def describe(self, items: Sequence[ReadPair]) -> list[DetectorOutput]:
        """Return the row of the image store for each pair's image. An error is its outcome, not raised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceIdentity:
    """The identity of a source of regions, without its model in memory."""

    settings: RegionSettings
    label: str
    """Name of the detector, hash of its weights or files, and settings of boxes: names its outputs in the store, and
    stands in each sample."""
    files: tuple[FileEntry, ...] = ()
    """The TSVs, in order of their hashes."""


def identify(settings: RegionSettings, files: tuple[FileEntry, ...] = ()) -> SourceIdentity:
    """Return the identity of what a recipe chooses; a wrong choice is a ConfigError, before any work."""
    _check_unused(settings)
    if settings.tsv:
        whole = "\n".join((*(file.sha256 for file in files), *settings.tsv_columns))
        label = f"tsv {hashlib.sha256(whole.encode()).hexdigest()[:16]}"
    elif settings.detector == OFFLINE:
        label = EfficientNetDetector().identity.label
    else:
        detector = QueryDetector(settings.detector)
        detector.check()
        label = detector.identity.label
    return SourceIdentity(settings=settings, label=_with_boxes(label, settings), files=files)


def _check_unused(settings: RegionSettings) -> None:
    """Raise ConfigError for a setting that what is chosen does not use."""
    if settings.tsv:
        unused = {"detector": "not for TSVs", "max_overlap": "not for TSVs"}
    elif settings.detector == OFFLINE:
        unused = dict.fromkeys(("min_boxes", "min_score", "max_overlap"), "for detectors that give scores")
        unused |= dict.fromkeys(("tsv_columns", "match"), "for TSVs")
    else:
        unused = dict.fromkeys(("tsv_columns", "match"), "for TSVs")
    for item in fields(settings):
        if item.name in unused and getattr(settings, item.name) != item.default:
            raise ConfigError(f"regions.{item.name} is {unused[item.name]}", remedy="leave it out")


def _with_boxes(label: str, settings: RegionSettings) -> str:
    """Return a label with the settings of boxes that differ from their defaults."""
    chosen = [item for item in fields(settings) if item.name in ("min_boxes", "max_boxes", "min_score", "max_overlap")]
    changed = [item.name for item in chosen if getattr(settings, item.name) != item.default]
    return " ".join((label, *(f"{name} {getattr(settings, name)}" for name in changed)))


def open_source(identity: SourceIdentity, index: str) -> RegionSource:
    """Return the source; `index` is the folder of the indexes of its TSVs. A model is loaded on first use."""
    if identity.files:
        return TsvRegions(identity.settings, identity.files, index)
    if identity.settings.detector != OFFLINE:
        return QueryRegions(QueryDetector(identity.settings.detector), identity.settings)
    return GridRegions(EfficientNetDetector(), identity.settings.max_boxes)
