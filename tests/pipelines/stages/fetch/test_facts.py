"""The stage that measures stored images: each content once, committed with its batch."""

from pathlib import Path

import apache_beam as beam

from corpusloom.pipelines.stages.fetch.facts import build
from corpusloom.pipelines.store.images.facts import make_facts
from corpusloom.pipelines.store.images.frontier import missing_facts
from corpusloom.pipelines.store.images.store import ImageStore
from tests.pipelines.store.store_maker import answer, fill, png, wanted


def measure(store: ImageStore, keys: list[str]) -> int:
    """Compute the missing facts of some images; return the number of images that were measured."""
    batches = missing_facts(store, keys)
    with beam.Pipeline() as pipeline:
        build(pipeline, store.folder, 0, batches)
    return sum(map(len, batches))


def test_each_content_is_measured_once(tmp_path: Path) -> None:
    store = fill(tmp_path, [("a", answer(1)), ("again", answer(1)), ("b", answer(2))])
    keys = [wanted(name).key for name in ("a", "again", "b", "never fetched")]
    assert measure(store, keys[:2]) == 1
    fresh = ImageStore(store.folder)
    assert measure(fresh, keys) == 1
    assert measure(ImageStore(store.folder), keys) == 0
    facts = ImageStore(store.folder).facts()
    row = store.index().find(keys[0])
    assert row is not None
    assert facts.get(row.sha256 or "") == make_facts(png(1), row.sha256 or "", "png")
