"""Datasets of the world's pages: interleaved pages, and their pictures as pairs, as tars with an index."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from benchmarks.claims_common.datasets import write_indexed
from benchmarks.claims_flamingo.world import WorldPage
from corpusloom.pipelines.store.dataset.tars import write_shard
from corpusloom.schemas.identity import make_key

Sample = tuple[str, Mapping[str, bytes]]


def interleaved(pages: Iterable[WorldPage]) -> Iterator[Sample]:
    """Yield each page as a sample of kind `interleaved`: the story, then each picture and its caption as a text."""
    for page in pages:
        fields = {f"{at:03d}.jpg": shown.jpg for at, shown in enumerate(page.shown)}
        texts: list[str | None] = [page.story]
        images: list[str | None] = [None]
        for name, shown in zip(fields, page.shown, strict=True):
            texts += [None, shown.caption]
            images += [f"{page.key}.{name}", None]
        yield page.key, {**fields, "json": json.dumps({"url": page.url, "texts": texts, "images": images}).encode()}


def pairs(pages: Iterable[WorldPage]) -> Iterator[Sample]:
    """Yield each picture of the pages as a pair; its JSON names the page."""
    for page in pages:
        info = json.dumps({"page_url": page.url}).encode()
        for at, shown in enumerate(page.shown):
            key = make_key("pair", page.url, str(at))
            yield key, {"jpg": shown.jpg, "txt": shown.caption.encode(), "json": info}


def write_dataset(samples: Iterable[Sample], folder: Path, kind: str) -> str:
    """Write one tar of samples and its index; return the index's path. A finished dataset is kept."""

    def write(folder: Path) -> None:
        write_shard(str(folder / "00000.tar"), sorted(samples, key=lambda sample: sample[0]))

    return write_indexed(folder, kind, write)
