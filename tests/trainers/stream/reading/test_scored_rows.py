"""Pairs below a least score are left out of a stream, which stays exact and elastic."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from corpusloom.schemas import tables
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.schemas.images.embeddings.manifest import EmbeddingsManifest, PartEntry, write_embeddings_manifest
from corpusloom.schemas.images.embeddings.parts import SCORES
from corpusloom.schemas.manifest import read_manifest
from corpusloom.schemas.records import SidecarRow
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.stream.reading.scored_rows import read_scored_rows
from tests.schemas.images.embeddings.sidecars import MODEL
from tests.trainers.stream.datasets import make_dataset, make_pairs


def scored_dataset(folder: Path) -> tuple[str, dict[str, float]]:
    """Write 20 pairs in 4 shards and their scores, 0, .1, .2 ... in the dataset's order; return path and scores."""
    data = make_dataset(folder / "data", "pairs", make_pairs(20), shards=4)
    manifest, rows = read_manifest(data), []
    for shard in manifest.shards:
        for row, sample in enumerate(tables.read_records(f"{data}/{shard.sidecar.name}", SidecarRow)):
            score = None if len(rows) == 19 else len(rows) / 10
            rows.append({"key": sample.key, "shard": shard.index, "row": row, "image_sha256": "", "score": score})
    tables.write_table(f"{data}.embeddings/scores/00000.parquet", pa.Table.from_pylist(rows, schema=SCORES))
    written = EmbeddingsManifest(
        dataset=data, dataset_digest=manifest.digest, kind="pairs", model=MODEL, images=(), texts=(),
        scores=(PartEntry(name="scores/00000.parquet", rows=20),), skipped=0,
    )  # fmt: skip
    write_embeddings_manifest(f"{data}.embeddings", written)
    return data, {row["key"]: row["score"] for row in rows}


def test_a_stream_has_the_pairs_of_at_least_that_score_on_any_number_of_ranks(tmp_path: Path) -> None:
    data, scores = scored_dataset(tmp_path)
    kept = {key for key, score in scores.items() if score is not None and score >= 0.55}
    alone = StreamingDataset(data, min_score=0.55, rank=0, world_size=1)
    order = [sample.key for sample in alone]
    assert set(order) == kept
    assert (alone.epoch_samples, alone.left_out) == (len(kept), 20 - len(kept))
    ranks = [StreamingDataset(data, min_score=0.55, rank=rank, world_size=3) for rank in range(3)]
    dealt = [[sample.key for sample in stream] for stream in ranks]
    assert [key for turn in zip(*dealt, strict=False) for key in turn] == order[: 3 * min(map(len, dealt))]
    assert set().union(*dealt) == kept


def test_a_state_belongs_to_its_least_score(tmp_path: Path) -> None:
    data, _ = scored_dataset(tmp_path)
    state = StreamingDataset(data, min_score=0.55, rank=0, world_size=1).state_dict()
    StreamingDataset(data, min_score=0.55, rank=0, world_size=1).load_state_dict(state)
    for other in (0.56, None):
        with pytest.raises(ConfigError, match="of another stream"):
            StreamingDataset(data, min_score=other, rank=0, world_size=1).load_state_dict(state)


def test_a_split_and_a_score_are_both_kept(tmp_path: Path) -> None:
    data, _ = scored_dataset(tmp_path)
    assert StreamingDataset(data, split="train", min_score=1.75, rank=0, world_size=1).epoch_samples == 1
    with pytest.raises(InputError, match="no sample has split 'val' and a score of 0"):
        StreamingDataset(data, split="val", min_score=0, rank=0, world_size=1)


def test_a_dataset_without_scores_names_the_command(tmp_path: Path) -> None:
    data, _ = scored_dataset(tmp_path)
    shard = read_manifest(data).shards[0]
    assert read_scored_rows(data, read_manifest(data).digest, 0.05).of(shard).tolist() == list(
        np.arange(1, shard.samples)
    )
    with pytest.raises(InputError, match="run loom embed data/x --checkpoint PATH"):
        read_scored_rows("data/x", "d", 0.5)
    with pytest.raises(InputError, match="digest has changed since"):
        read_scored_rows(data, "d", 0.5)
