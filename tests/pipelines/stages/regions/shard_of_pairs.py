"""A shard of pairs, and a detector without a network."""

import hashlib
from collections.abc import Sequence

import numpy as np

from corpusloom.pipelines.models.detector import BATCH
from corpusloom.pipelines.models.identity import ModelIdentity
from corpusloom.pipelines.stages.regions.pairs_of_shard import ReadPair
from corpusloom.pipelines.store.dataset.samples import UnwrittenSample, to_json
from corpusloom.pipelines.store.dataset.shard_files import write_shard_files
from corpusloom.schemas.records import ShardEntry, SidecarRow
from tests.pipelines.store.store_maker import png

PAIRS = BATCH + 2
BROKEN = 3
SIDE = 48


class Constant:
    """A detector whose features are the number of the image in its call; it records the sizes of its batches."""

    identity = ModelIdentity("constant", "1", "0" * 64)

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(
        self, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray]
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        self.batches.append(len(images))
        return [
            (np.full((len(box), 4), number, np.float16), np.full((len(box), 2), 0.5, np.float16))
            for number, box in enumerate(boxes)
        ]


def row_of(number: int, url: str = "") -> SidecarRow:
    """Return the sidecar row of a pair."""
    url = url or f"http://example.org/{number}"
    sha256 = hashlib.sha256(b"fetched %d" % number).hexdigest()
    return SidecarRow(key=f"{number:032x}", url=url, page_url="", width=SIDE, height=SIDE, sha256=sha256)


def pair(number: int, url: str = "", **columns: str) -> ReadPair:
    """Return a pair in memory, with columns that its list kept."""
    body = {"columns": to_json(columns).decode()} if columns else {}
    return ReadPair(row_of(number, url), {"png": png(number, SIDE), "txt": b"t", "json": to_json(body)})


def write_pairs(folder: str) -> ShardEntry:
    """Write a shard of pairs, one of them with a broken image."""

    def sample(number: int) -> UnwrittenSample:
        row = row_of(number)
        image = b"broken" if number == BROKEN else png(number, SIDE)
        return UnwrittenSample(row.key, {"png": image, "txt": b"t", "json": to_json({"key": row.key})}, row, {})

    entry = write_shard_files(folder, 0, map(sample, range(PAIRS)))
    assert entry is not None
    return entry
