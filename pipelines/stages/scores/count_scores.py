"""Counts the scores of the selected records per value, over all key ranges."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import apache_beam as beam

from corpusloom.pipelines.stages.scores.top_fraction import UNIT, add_counts
from corpusloom.pipelines.stages.scores.unscored import StoredImages, scored_texts
from corpusloom.pipelines.stages.selected_records import SelectedRecords
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.model_scores import ModelScores, text_sha256
from corpusloom.schemas import storage


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedScores:
    """The scores of one model of the selected records."""

    records: SelectedRecords
    store: str
    """Folder of the image store."""
    folder: str
    """Folder of the scores in the store."""
    parts: int
    """Key ranges that the records are read in, a power of two."""
    out: str
    """File of the counts."""


class _CountScores(beam.DoFn):
    def __init__(self, config: CountedScores) -> None:
        self._config = config

    def setup(self) -> None:
        store = ImageStore(self._config.store)
        self._images, self._stored = StoredImages(store, store.index()), ModelScores.read(self._config.folder)

    def process(self, part: int) -> Iterator[dict[int, int]]:
        counts: Counter[int] = Counter()
        for item in scored_texts(part, self._config.parts, self._config.records, self._images):
            found = self._stored.find(item.sha256, text_sha256(item.text))
            if found is not None and found.score is not None:
                counts[round(found.score * UNIT)] += 1
        yield dict(counts)


class _WriteCounts(beam.DoFn):
    def __init__(self, path: str) -> None:
        self._path = path

    def process(self, counts: Mapping[int, int]) -> Iterator[str]:
        rows = [[value, counts[value]] for value in sorted(counts)]
        storage.write_bytes(self._path, json.dumps(rows).encode())
        yield self._path


def build(pipeline: beam.Pipeline, config: CountedScores) -> object:
    """Build the pipeline that counts the scores per value and writes the counts."""
    return (
        pipeline
        | "Key ranges" >> beam.Create(range(config.parts))
        | "Spread over workers" >> beam.Reshuffle()
        | "Count scores" >> beam.ParDo(_CountScores(config))
        | "Add counts" >> beam.CombineGlobally(add_counts)
        | "Write counts" >> beam.ParDo(_WriteCounts(config.out))
    )
