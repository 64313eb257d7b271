"""Datasets of regions of scenes: tars with an index."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks.claims_common.datasets import write_indexed
from benchmarks.claims_vilbert.files import file_name
from benchmarks.claims_vilbert.world import HEIGHT, WIDTH, Scene
from corpusloom.pipelines.stages.regions.arrays import encode_regions
from corpusloom.pipelines.store.dataset.tars import write_shard


def members(scene: Scene) -> Mapping[str, bytes]:
    """Return the members of a sample of kind `regions`."""
    info = {"regions": {"image_width": WIDTH, "image_height": HEIGHT}}
    return {
        "jpg": scene.picture(),
        "json": json.dumps(info).encode(),
        "regions.npz": encode_regions(**scene.regions),
        "txt": scene.caption.encode(),
    }


def write_dataset(scenes: Iterable[Scene], folder: Path) -> str:
    """Write one tar of the scenes' regions and captions and its index; return the index's path.

    A sample's key is the name of the image; a finished dataset is kept.
    """

    def write(folder: Path) -> None:
        write_shard(str(folder / "00000.tar"), [(Path(file_name(scene)).stem, members(scene)) for scene in scenes])

    return write_indexed(folder, "regions", write)
