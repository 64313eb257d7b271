"""Datasets of the world's pages: pictures before their captions, and pairs that name their page."""

from pathlib import Path

import pytest

from benchmarks.claims_flamingo.datasets import interleaved, pairs, write_dataset
from benchmarks.claims_flamingo.world import WorldPage, make_pages
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.stream.samples.typed import InterleavedSample, PairSample


@pytest.fixture(scope="module")
def pages() -> list[WorldPage]:
    return list(make_pages(0, 2, pictures=2))


def test_a_page_is_its_story_then_each_picture_and_its_caption(pages: list[WorldPage], tmp_path: Path) -> None:
    data = write_dataset(interleaved(pages), tmp_path / "pages", "interleaved")
    found = {sample.key: sample for sample in StreamingDataset(data, rank=0, world_size=1)}
    for page in pages:
        sample, (first, second) = found[page.key], page.shown
        assert isinstance(sample, InterleavedSample)
        assert sample.texts == (page.story, None, first.caption, None, second.caption)
        assert sample.images == (None, first.jpg, None, second.jpg, None)


def test_a_pair_names_its_page_and_a_finished_dataset_is_kept(pages: list[WorldPage], tmp_path: Path) -> None:
    data = write_dataset(pairs(pages), tmp_path / "pairs", "pairs")
    assert write_dataset([], tmp_path / "pairs", "pairs") == data
    found = list(StreamingDataset(data, rank=0, world_size=1))
    assert all(isinstance(sample, PairSample) for sample in found)
    known = {shown.caption: page.url for page in pages for shown in page.shown}
    assert {sample.text: sample.info["page_url"] for sample in found} == known
