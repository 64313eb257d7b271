"""Regions from TSVs: the row of a pair's image is found by the image's name, decoded and checked."""

import hashlib
import json
import posixpath
import re
from collections.abc import Sequence
from functools import cached_property
from urllib.parse import unquote, urlsplit

from corpusloom.pipelines.recipes.region_settings import COLUMN, RegionSettings
from corpusloom.pipelines.stages.regions.best_boxes import best_boxes
from corpusloom.pipelines.stages.regions.detections import Detection, output_of
from corpusloom.pipelines.stages.regions.pairs_of_shard import ReadPair
from corpusloom.pipelines.stages.regions.tsv.columns import ColumnOrder
from corpusloom.pipelines.stages.regions.tsv.index import FoundRow, TsvIndex
from corpusloom.pipelines.stages.regions.tsv.index_files import file_order
from corpusloom.pipelines.stages.regions.tsv.rows import RowError, TsvRow, decode_row, image_name
from corpusloom.schemas import storage
from corpusloom.schemas.records import DetectorOutput, FileEntry

MISSING = "not_in_tsv"
OTHER_SIZE = "tsv_other_image_size"
_COCO = re.compile(r"_(\d{12})$")
"""End of the names of COCO's images, whose numbers bottom-up attention's files have: COCO_val2014_000000391895."""
_SIZE_SLACK = 0.02
"""Relative difference of the aspect ratios of two sizes of one image, at most: resizing rounds to pixels."""


def names_of(item: ReadPair, match: str) -> tuple[str, ...]:
    """Return the names by which a pair's image is looked for, in this order."""
    if match.startswith(COLUMN):
        columns = json.loads(json.loads(item.members["json"]).get("columns") or "{}")
        text = columns.get(match.removeprefix(COLUMN), "")
    else:
        text = item.row.key if match == "key" else posixpath.basename(unquote(urlsplit(item.row.url).path))
    name = image_name(text)
    coco = _COCO.search(name)
    return tuple(filter(None, (name, image_name(coco[1]) if coco else "")))


class TsvRegions:
    """A source of regions that reads indexed TSVs."""

    def __init__(self, settings: RegionSettings, files: Sequence[FileEntry], folder: str) -> None:
        """Take the files and the folder of their indexes."""
        self._settings, self._files, self._folder = settings, files, folder
        self._orders: dict[str, ColumnOrder] = {}

    @cached_property
    def index(self) -> TsvIndex:
        """The index, read on first use."""
        return TsvIndex(self._folder, self._files)

    def describe(self, items: Sequence[ReadPair]) -> list[DetectorOutput]:
        """Return the row of the store for each pair's image."""
        return [self._describe(item) for item in items]

    def _describe(self, item: ReadPair) -> DetectorOutput:
        names = names_of(item, self._settings.match)
        key = output_key(item, self._settings)
        found = next((row for name in names if (row := self.index.find(name)) is not None), None)
        if found is None:
            return output_of(item, key, MISSING)
        return output_of(item, key, self._read(item, found), place_of(found.file, found.row.line))

    def _read(self, item: ReadPair, found: FoundRow) -> Detection | str:
        path, row = found.file.name, found.row
        if path not in self._orders:
            self._orders[path] = file_order(path, self._settings.tsv_columns)
        try:
            read = decode_row(storage.read_bytes(path, row.offset, row.offset + row.size), self._orders[path])
        except RowError as error:
            return str(error)
        if not _same_shape(item, read.shape.width, read.shape.height):
            return OTHER_SIZE
        return detection_of(read, self._settings)


def detection_of(read: TsvRow, settings: RegionSettings) -> Detection:
    """Return the boxes of a row that are kept: the best by their scores, or the first if the file has no scores."""
    kept = slice(settings.max_boxes) if read.scores is None else best_boxes(read.scores, settings)
    return Detection(read.shape.width, read.shape.height, read.boxes[kept], read.features[kept], read.class_probs[kept])


def _same_shape(item: ReadPair, width: int, height: int) -> bool:
    """Return whether a size can be that of a pair's image, which the build may have resized; unknown sizes can."""
    own_width, own_height = item.row.width or width, item.row.height or height
    slack = _SIZE_SLACK * own_width * height + max(own_width, own_height, width, height)
    return abs(own_width * height - own_height * width) <= slack


def place_of(file: FileEntry, line: int) -> str:
    """Return how ledgers and stores name a line of a file."""
    return f"{posixpath.basename(file.name)}:{line}"


def output_key(item: ReadPair, settings: RegionSettings) -> str:
    """Return the key of an image's row in the store: its SHA-256, for TSVs joined with the name that it has there."""
    if not settings.tsv:
        return item.sha256
    names = "\n".join(names_of(item, settings.match))
    return hashlib.sha256(f"{item.sha256}\n{names}".encode()).hexdigest()
