"""Embeds the distinct images and texts of a plan, and writes them in parts of 2,048, one file each.

Unreadable images are skipped and listed. A killed run resumes at the parts that are missing. Part i belongs to data
rank i mod ranks. A thread reads, decodes and embeds a whole batch, so that no core of a CPU is idle: while one thread
decodes, the others compute.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from corpusloom.schemas import storage
from corpusloom.schemas.images.embeddings.parts import (
    IMAGE_COLUMNS,
    TEXT_COLUMNS,
    SkippedMember,
    part_name,
    write_part,
)
from corpusloom.schemas.images.errors import ImageError
from corpusloom.trainers.embedding.encoder import Encoder
from corpusloom.trainers.embedding.plan import EmbeddingPlan, text_sha256
from corpusloom.trainers.evaluation.batches import one_ahead
from corpusloom.trainers.stream.errors import SampleError
from corpusloom.trainers.stream.sample_reader import SampleReader
from corpusloom.trainers.training import distributed

PART = 2048
"""Images or texts per part."""
NOT_FINITE = "not_finite"
"""Reason of a row whose embedding holds NaN or infinity."""
TEXT_BATCHES = 8
"""Batches of texts that a thread embeds together, grouped by length."""


@dataclass(slots=True)
class Progress:
    """Progress of this rank, in rows."""

    done: int = 0
    reused: int = 0
    """Rows that a killed run had finished."""


@dataclass(frozen=True, slots=True)
class PartWriter:
    """Embeds the parts of one kind into a folder."""

    folder: str
    kind: str
    """images or texts."""
    rows: int
    """Rows of all parts, over all ranks."""
    identity: str
    """Identity of the embeddings, as in the manifest."""
    embed: Callable[[Sequence[int]], tuple[np.ndarray, dict[int, str]]]
    """Numbers of rows -> their embeddings (N, E), and number -> reason of those that have none; called in threads."""
    describe: Callable[[int], dict[str, Any]]
    """Number of a row -> its columns."""
    columns: dict[str, pa.DataType]
    batch_size: int
    progress: Progress = field(default_factory=Progress)

    def own_parts(self) -> range:
        """Return the numbers of this rank's parts."""
        return range(distributed.data_rank(), -(-self.rows // PART), distributed.data_ranks())

    def own_rows(self) -> int:
        """Return the rows of this rank's parts."""
        return sum(len(self._numbers(part)) for part in self.own_parts())

    def done(self) -> int:
        """Return the rows of this rank that are finished."""
        return self.progress.done

    def run(self, workers: int) -> None:
        """Embed the parts of this rank that are not finished."""
        todo = []
        for number in self.own_parts():
            numbers = self._numbers(number)
            if storage.exists(self._path(number)):
                self.progress.done += len(numbers)
                self.progress.reused += len(numbers)
            else:
                todo.append(number)
        with _threads_restored(), ThreadPoolExecutor(workers, "embed") as pool:
            try:
                for number, batches in one_ahead(self._begin(number, pool) for number in todo):
                    self._finish(number, [batch.result() for batch in batches])
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _numbers(self, part: int) -> range:
        return range(part * PART, min((part + 1) * PART, self.rows))

    def _path(self, part: int) -> str:
        return storage.join(self.folder, part_name(self.kind, part))

    def _begin(self, part: int, pool: ThreadPoolExecutor) -> "tuple[int, list[Future[Any]]]":
        numbers = self._numbers(part)
        firsts = range(0, len(numbers), self.batch_size)
        return part, [pool.submit(self._batch, numbers[first : first + self.batch_size]) for first in firsts]

    def _batch(self, numbers: range) -> tuple[np.ndarray, dict[int, str]]:
        torch.set_num_threads(1)  # of this thread of the pool, and of threads that start later
        embeddings, skipped = self.embed(numbers)
        finite = np.isfinite(embeddings).all(1)
        skipped |= {numbers[row]: NOT_FINITE for row in np.flatnonzero(~finite).tolist() if numbers[row] not in skipped}
        self.progress.done += len(numbers)
        return embeddings, skipped

    def _finish(self, part: int, batches: Sequence[tuple[np.ndarray, dict[int, str]]]) -> None:
        numbers = self._numbers(part)
        reasons = {number: reason for _, skipped in batches for number, reason in skipped.items()}
        kept = [number for number in numbers if number not in reasons]
        rows = [self.describe(number) for number in kept]
        columns = {name: pa.array([row[name] for row in rows], kind) for name, kind in self.columns.items()}
        fields = [pa.field(name, kind, nullable=False) for name, kind in self.columns.items()]
        embeddings = np.concatenate([found for found, _ in batches])[[number - numbers[0] for number in kept]]
        lacking = [_skipped(number, self.describe(number), reason) for number, reason in sorted(reasons.items())]
        table = pa.table(columns, schema=pa.schema(fields))
        write_part(self._path(part), table, embeddings, self.identity, lacking)


def _skipped(number: int, described: dict[str, Any], reason: str) -> SkippedMember:
    return SkippedMember(number, described["sha256"], described.get("key", ""), described.get("field", "txt"), reason)


@contextlib.contextmanager
def _threads_restored() -> Iterator[None]:
    """Restore torch's number of threads after the block."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def image_writer(plan: EmbeddingPlan, reader: SampleReader, encoder: Encoder, folder: str, identity: str) -> PartWriter:
    """Return the writer of a plan's images."""
    size = encoder.identity.image_size

    def embed(numbers: Sequence[int]) -> tuple[np.ndarray, dict[int, str]]:
        pixels, skipped = np.zeros((len(numbers), 3, size, size), np.uint8), {}
        held: tuple[Any, dict[str, bytes]] = (None, {})
        for row, number in enumerate(numbers):
            place = plan.place(number)
            try:
                if held[0] != place[2:]:
                    held = place[2:], reader.read(place, check=True)[1]
                pixels[row] = encoder.prepare(held[1][plan.field(number)])
            except (SampleError, ImageError) as error:
                skipped[number] = error.reason
        return encoder.images(pixels), skipped

    def describe(number: int) -> dict[str, Any]:
        place = plan.place(number)
        shard = reader.indexes[0].shards[place.shard].index
        key = reader.key_of(place)
        return {"sha256": plan.image_sha256(number), "key": key, "field": plan.field(number), "shard": shard}

    rows = len(plan.images)
    return PartWriter(folder, "images", rows, identity, embed, describe, IMAGE_COLUMNS, encoder.batch_size)


def text_writer(plan: EmbeddingPlan, encoder: Encoder, folder: str, identity: str) -> PartWriter:
    """Return the writer of a plan's texts."""

    def embed(numbers: Sequence[int]) -> tuple[np.ndarray, dict[int, str]]:
        return encoder.texts([plan.texts[number] for number in numbers]), {}

    def describe(number: int) -> dict[str, Any]:
        return {"sha256": text_sha256(plan.texts[number])}

    rows = len(plan.texts)
    return PartWriter(folder, "texts", rows, identity, embed, describe, TEXT_COLUMNS, TEXT_BATCHES * encoder.batch_size)
