"""Finds outcomes that an empty body or a part of a body decided, and withdraws them.

Earlier versions took the body of a 206, of a revisit record and of an unasked 304 for the whole image. The rows of such
outcomes do not name their source, so every outcome that such a body can cause is withdrawn: a rejection because of the
header of an image, and a stored image that ends too early and cannot be decoded. Packs say whether whole bodies alone
decided their outcomes; those are not searched.
"""

import contextlib
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpusloom.pipelines.store.images.facts import EncodedImage, FactsPool, facts_pool, map_facts
from corpusloom.pipelines.store.images.index import KEY_DIGITS, WITHDRAWN, ImageIndex
from corpusloom.pipelines.store.images.outcomes import ImageUrl
from corpusloom.pipelines.store.images.packs import PackWriter, decided_by_whole_bodies
from corpusloom.pipelines.store.images.sorted_keys import fixed_width
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.schemas import arrow, tables
from corpusloom.schemas.errors import DamageError
from corpusloom.schemas.images.decoding import MAX_PIXELS
from corpusloom.schemas.images.ends import is_complete
from corpusloom.schemas.records import ImageRecord

HEADER_REASONS = ("not_an_image", "truncated_header", "malformed_header", "no_pixels")
"""Reasons for which the header of an image is rejected, which an empty body or a part of one can cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rechecked:
    """Counts of a recheck."""

    searched: int
    """Outcomes of packs that do not say that whole bodies decided them."""
    withdrawn: dict[str, int]
    """Outcomes that were withdrawn, by their reason; their URLs count as never fetched."""
    generation: int
    """Generation of the index with the withdrawals; the latest one if there are none."""


def recheck(store: ImageStore, workers: int = 0) -> Rechecked:
    """Withdraw the outcomes that a whole body may not have decided, in a new generation of the index.

    Args:
      store: The store.
      workers: Processes that decode images which end too early; 0 decodes in this process.
    """
    index = store.index()
    writer = PackWriter(store, "recheck", index.generation + 1, MAX_PIXELS)
    searched, reasons = 0, Counter[str]()
    with facts_pool(workers) as pool:
        for rows in _unsure_parts(store, index):
            searched += rows.num_rows
            for record, reason in (*_rejected(rows), *_cut_off(store, rows, pool)):
                row = ImageRecord(key=record.key, url=record.url, outcome=WITHDRAWN, reason=reason, final=False)
                writer.add(ImageUrl(record.key, record.url), row)
                reasons[reason] += 1
    writer.commit()
    generation = index.generation + bool(reasons)
    return Rechecked(searched=searched, withdrawn=dict(sorted(reasons.items())), generation=generation)


def _unsure_parts(store: ImageStore, index: ImageIndex) -> Iterator[pa.Table]:
    """Yield the rows of each part that whole bodies may not have decided, as far as they are not outdated."""
    for generation in store.generations():
        for part in store.parts(generation):
            if decided_by_whole_bodies(store, part):
                continue
            rows = arrow.upgrade(ImageRecord, tables.read_table(part), part)
            current = index.generations_of(fixed_width(rows["key"], KEY_DIGITS)) == generation
            yield rows.filter(pa.array(np.asarray(current, dtype=bool)))


def _rejected(rows: pa.Table) -> Iterator[tuple[ImageRecord, str]]:
    """Yield the rejections because of an image's header, and their reasons."""
    rejected = pc.and_(pc.equal(rows["outcome"], "rejected"), pc.is_in(rows["reason"], pa.array(HEADER_REASONS)))
    for record in arrow.from_table(ImageRecord, rows.filter(rejected)):
        yield record, record.reason or ""


def _cut_off(store: ImageStore, rows: pa.Table, pool: FactsPool) -> Iterator[tuple[ImageRecord, str]]:
    """Yield the stored images that end too early, and why they are of no use: a 206, or the error of the decoder."""
    waiting: deque[ImageRecord] = deque()

    def cut() -> Iterator[EncodedImage]:
        for record in arrow.from_table(ImageRecord, rows.filter(pc.equal(rows["outcome"], "kept"))):
            with contextlib.suppress(DamageError):  # reported by whoever uses the image
                data = store.read(record)
                if not is_complete(data):
                    waiting.append(record)
                    yield data, record.sha256 or "", record.format or ""

    for facts in map_facts(pool, cut()):
        record = waiting.popleft()
        reason = "http_206" if record.status == 206 else facts.error
        if reason is not None:
            yield record, reason
