"""Scores of pairs: the cosine of the stored embeddings of image and text, in float32."""

from functools import lru_cache

import numpy as np
import pyarrow as pa

from corpusloom.schemas import storage, tables
from corpusloom.schemas.images.embeddings.parts import IDENTITY, SCORES, part_name, read_part
from corpusloom.trainers.embedding.parts import PART, Progress
from corpusloom.trainers.embedding.plan import EmbeddingPlan, text_sha256
from corpusloom.trainers.stream.plan import SamplePlace
from corpusloom.trainers.stream.sample_reader import SampleReader
from corpusloom.trainers.training import distributed

BLOCK = 32_768
"""Pairs per file of scores."""
_HELD = 16
"""Parts of embeddings that are held in memory, at most."""
_ROWS = 4096
"""Pairs whose embeddings are multiplied at once."""


def write_scores(plan: EmbeddingPlan, reader: SampleReader, folder: str, identity: str, progress: Progress) -> None:
    """Write the scores of this rank's blocks of pairs, after all images and texts have been embedded."""
    images, texts = _Rows(folder, "images"), _Rows(folder, "texts")
    blocks = range(distributed.data_rank(), score_parts(plan), distributed.data_ranks())
    for block in blocks:
        part = plan.pairs[block * BLOCK : (block + 1) * BLOCK]
        path = storage.join(folder, part_name("scores", block))
        if not storage.exists(path):
            _write(plan, reader, part, cosines(images.take(part[:, 2]), texts.take(part[:, 3])), path, identity)
        progress.done += len(part)


def score_parts(plan: EmbeddingPlan) -> int:
    """Return the number of files of scores."""
    return -(-len(plan.pairs) // BLOCK)


def _write(
    plan: EmbeddingPlan, reader: SampleReader, pairs: np.ndarray, scores: np.ndarray, path: str, identity: str
) -> None:
    shards = reader.indexes[0].shards
    columns = {
        "shard": [shards[shard].index for shard in pairs[:, 0].tolist()],
        "row": pairs[:, 1].tolist(),
        "key": [reader.key_of(SamplePlace(0, 0, 0, shard, row)) for shard, row in pairs[:, :2].tolist()],
        "image_sha256": [plan.image_sha256(number) for number in pairs[:, 2].tolist()],
        "text_sha256": [text_sha256(plan.texts[number]) if number >= 0 else None for number in pairs[:, 3].tolist()],
        "score": pa.array(scores, pa.float32(), from_pandas=True),  # NaN becomes null
    }
    table = pa.table(columns, schema=SCORES)
    tables.write_table(path, table.replace_schema_metadata({IDENTITY: identity}))


def cosines(images: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Return the cosine of each row's embeddings, (N, E) and (N, E) of norm 1 -> (N,) float32; NaN without one."""
    parts = [
        np.einsum("nd,nd->n", images[at : at + _ROWS].astype(np.float32), texts[at : at + _ROWS].astype(np.float32))
        for at in range(0, len(images), _ROWS)
    ]
    return np.concatenate([*parts, np.zeros(0, np.float32)])


class _Rows:
    """The embeddings of images or of texts by number; NaN for those that have none."""

    def __init__(self, folder: str, kind: str) -> None:
        self._folder, self._kind = folder, kind
        self._part = lru_cache(maxsize=_HELD)(self._read)

    def _read(self, number: int) -> np.ndarray:
        part = read_part(storage.join(self._folder, part_name(self._kind, number)))
        count = len(part) + len(part.skipped)
        rows = np.full((count, part.embeddings.shape[1]), np.nan, np.float16)
        kept = np.setdiff1d(np.arange(count), [item.number - number * PART for item in part.skipped])
        rows[kept] = part.embeddings
        return rows

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """Return the rows of numbers, (N,) -> (N, E); each part is read once."""
        found: np.ndarray | None = None
        for part in np.unique(numbers[numbers >= 0] // PART).tolist():
            rows = self._part(part)
            own = numbers // PART == part
            if found is None:
                found = np.full((len(numbers), rows.shape[1]), np.nan, np.float16)
            found[own] = rows[numbers[own] - part * PART]
        return np.full((len(numbers), 1), np.nan, np.float16) if found is None else found
