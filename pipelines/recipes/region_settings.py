"""Settings of a recipe of regions: the detector, or files with its outputs, and the boxes that are kept per image."""

from dataclasses import dataclass

from corpusloom.schemas.config import setting
from corpusloom.schemas.errors import ConfigError

REGIONS = ("regions",)
OFFLINE = "efficientnet-lite0"
"""Name of the detector that its package ships."""
COLUMN = "columns."
"""Beginning of a value of `match` that names a kept column."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionSettings:
    """The source of an image's regions, and the number that is kept (ViLBERT, arXiv 1908.02265, section 3.1)."""

    detector: str = setting(OFFLINE, kinds=REGIONS)
    """efficientnet-lite0, or the folder of a detector of transformers (config.json and safetensors)."""
    tsv: tuple[str, ...] = setting((), kinds=REGIONS)
    """TSVs with a detector's outputs, as bottom-up attention, LXMERT and ViLBERT publish them: paths, folders, globs.
    No detector runs."""
    tsv_columns: tuple[str, ...] = setting((), kinds=REGIONS)
    """Names of the TSVs' columns in their order. Absent: their header, or the published order of as many columns."""
    match: str = setting("url", kinds=REGIONS)
    """Name of a pair's image in the TSVs: url (its file name), key, or columns.NAME (a column kept by
    `--keep-columns`)."""
    min_boxes: int = setting(10, kinds=REGIONS)
    """Boxes per image, at least, of a detector that gives scores: the best below `min_score` fill up."""
    max_boxes: int = setting(36, kinds=REGIONS)
    """Boxes per image, at most, the best first."""
    min_score: float = setting(0.2, kinds=REGIONS)
    """Score of a box, at least, if the detector gives scores (0.2: the script of the published 10 to 100 boxes)."""
    max_overlap: float = setting(0.5, kinds=REGIONS)
    """IoU with a better box, at most, of the boxes of a detector of transformers (non-maximum suppression)."""

    def __post_init__(self) -> None:
        if not 1 <= self.min_boxes <= self.max_boxes:
            raise ConfigError(
                f"regions.min_boxes is {self.min_boxes}, max_boxes {self.max_boxes}",
                remedy="write 1 or more, and no more at least than at most",
            )
        for name in ("min_score", "max_overlap"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"regions.{name} is {getattr(self, name)}", remedy="write a number from 0 to 1")
        if self.match not in ("url", "key") and not self.match.startswith(COLUMN):
            raise ConfigError(f"regions.match is {self.match!r}", remedy="write url, key or columns.NAME")
