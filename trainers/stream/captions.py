"""The captions of datasets, from which vocabularies are learnt."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import chain, islice

import pyarrow.compute as pc

from corpusloom.schemas import storage, tables
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.manifest import read_manifest
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.stream.samples.typed import InterleavedSample


def captions(datasets: Iterable[str], limit: int | None = None) -> Iterator[str]:
    """Yield the captions of each dataset, at most `limit`, in the order of its shards.

    They are read from the sidecars, or from the samples if those have none, as an index of foreign tars. InputError for
    a dataset without captions.
    """
    for dataset in datasets:
        texts = _sidecars(dataset)
        first = next(texts, None)
        if first is None:
            texts = _samples(dataset)
            first = next(texts, None)
        if first is None:
            raise InputError("no captions", where=dataset, remedy="give a dataset of pairs, clips or regions")
        yield from islice(chain([first], texts), limit)


def _sidecars(dataset: str) -> Iterator[str]:
    for shard in read_manifest(dataset).shards:
        column = tables.read_table(storage.join(dataset, shard.sidecar.name), ["caption"])["caption"]
        yield from (str(text) for text in pc.drop_null(column).to_pylist())


def _samples(dataset: str) -> Iterator[str]:
    with closing(StreamingDataset(dataset, shuffle=False, rank=0, world_size=1)) as stream:
        if "interleaved" not in stream.kinds:
            yield from (sample.text for sample in stream if not isinstance(sample, InterleavedSample))
