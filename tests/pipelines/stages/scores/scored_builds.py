"""Builds of pairs from a folder of img2dataset, so that nothing is fetched, with scores by a model."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from corpusloom.pipelines.builds import build
from corpusloom.pipelines.builds.config import BuildConfig, BuildReport
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.recipes.recipe import load_recipe
from tests.pipelines.small_web import QUIET
from tests.pipelines.stages.scores.encoders import load_colours

LOOSE = (
    "filters.captions=off",
    "filters.language=off",
    "filters.images.min_side=1",
    "filters.images.min_colour_range=off",
)
"""Overrides of align: what is left is the scores."""


def picture(colour: tuple[int, int, int], side: int = 8) -> bytes:
    """Return a PNG of one colour."""
    out = io.BytesIO()
    Image.fromarray(np.full((side, side, 3), colour, np.uint8)).save(out, "png")
    return out.getvalue()


def write_images(folder: Path, pairs: list[tuple[bytes, str]]) -> str:
    """Write pairs as img2dataset does with output_format=webdataset; return the folder."""
    folder.mkdir()
    rows = [
        {"url": f"http://example.org/{n}.png", "caption": text, "key": f"{n:09d}", "status": "success"}
        for n, (_, text) in enumerate(pairs)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "00000.parquet")
    with tarfile.open(folder / "00000.tar", "w") as tar:
        for row, (image, text) in zip(rows, pairs, strict=True):
            for extension, data in (("json", json.dumps(row).encode()), ("png", image), ("txt", text.encode())):
                info = tarfile.TarInfo(f"{row['key']}.{extension}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    (folder / "00000_stats.json").write_text("{}")
    return str(folder)


def scored_config(folder: Path, source: str, name: str, *overrides: str, **changes: object) -> BuildConfig:
    """Return the configuration of a build of `source` into folder/name, by the model "colours"."""
    values: dict[str, object] = {
        "recipe": load_recipe("align", ("filters.scores.clip.model=colours", *LOOSE, *overrides)),
        "out": str(folder / name),
        "work": str(folder / "work"),
        "store": str(folder / "store"),
        "from_img2dataset": (source,),
        "fetch": FetchConfig(),
        "workers": 1,
        "load_clip": load_colours,
    }
    return BuildConfig(**values | changes)  # type: ignore[arg-type]


def scored_build(folder: Path, source: str, name: str, *overrides: str, **changes: object) -> BuildReport:
    """Build pairs with scores."""
    return build.build(scored_config(folder, source, name, *overrides, **changes), QUIET)


def scores_of(folder: Path) -> dict[str, float]:
    """Return text -> CLIP score of the samples of a dataset."""
    rows = [row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    return {row["caption"]: dict(row["scores"])["clip_score"] for row in rows}


def ledger_of(folder: Path) -> dict[str, list[float | None]]:
    """Return reason -> measured values of the rejected pairs in the ledger of the shards stage."""
    found: dict[str, list[float | None]] = {}
    for row in pq.read_table(folder / "ledger" / "shards.parquet").to_pylist():
        found.setdefault(row["reason"], []).append(row["measured"])
    return found
