"""Small sidecars of embeddings, written without a model."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from corpusloom.schemas import tables
from corpusloom.schemas.images.embeddings.manifest import (
    EmbeddingModel,
    EmbeddingsManifest,
    PartEntry,
    write_embeddings_manifest,
)
from corpusloom.schemas.images.embeddings.parts import (
    IDENTITY,
    IMAGE_COLUMNS,
    SCORES,
    SkippedMember,
    part_name,
    write_part,
)

MODEL = EmbeddingModel(family="clip", path="runs/clip", digest="m" * 64, width=8, image_size=16, dtype="fp32")
LACKING = SkippedMember(3, "f" * 64, "key-3", "jpg", "truncated")


def random_embeddings(rows: int, seed: int = 0) -> np.ndarray:
    """Return rows of norm 1, (rows, 8) float16."""
    values = np.random.default_rng(seed).normal(size=(rows, 8))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float16)


def image_columns(first: int, rows: int) -> pa.Table:
    """Return the columns of images number `first` and on; the sha256 of image 10 is 0...0010."""
    numbers = range(first, first + rows)
    columns = {
        "sha256": [f"{number:064d}" for number in numbers],
        "key": [f"key-{number}" for number in numbers],
        "field": ["jpg"] * rows,
        "shard": pa.array([0] * rows, pa.int32()),
    }
    return pa.table(columns, schema=pa.schema(list(IMAGE_COLUMNS.items())))


def write_sidecar(folder: Path, embeddings: np.ndarray, *, part: int = 4, scored: int = 0) -> str:
    """Write a sidecar of images in parts of `part` rows, with `scored` scores 0, .1, .2 ..., the last one null."""
    images = []
    for number, first in enumerate(range(0, len(embeddings), part)):
        rows = embeddings[first : first + part]
        images.append(PartEntry(name=part_name("images", number), rows=len(rows)))
        write_part(str(folder / images[-1].name), image_columns(first, len(rows)), rows, "id", [LACKING][number:])
    scores = []
    if scored:
        values = [number / 10 for number in range(scored - 1)] + [None]
        keys = [f"key-{number}" for number in range(scored)]
        places = {"shard": [0] * scored, "row": list(range(scored))}
        columns = {"key": keys, **places, "image_sha256": keys, "text_sha256": keys, "score": values}
        table = pa.table(columns, schema=SCORES)
        scores.append(PartEntry(name=part_name("scores", 0), rows=scored))
        tables.write_table(str(folder / scores[0].name), table.replace_schema_metadata({IDENTITY: "id"}))
    manifest = EmbeddingsManifest(
        dataset="data/align", dataset_digest="d" * 64, kind="pairs", model=MODEL, images=tuple(images), texts=(),
        scores=tuple(scores), skipped=1,
    )  # fmt: skip
    write_embeddings_manifest(str(folder), manifest)
    return str(folder)
