"""Hits have the URL and caption that the dataset has for them, and the image itself."""

from contextlib import closing
from pathlib import Path

from corpusloom.schemas.images.embeddings.nearest import Neighbour
from corpusloom.trainers.embedding.hits import describe_hits, image_of
from corpusloom.trainers.stream.sample_reader import ReaderConfig, SampleReader
from tests.trainers.stream.datasets import make_dataset, make_image, make_pairs

PAGE = b'{"texts": [], "images": [], "image_info": %s}'
KEY = "0" * 32


def neighbour(key: str, field: str, shard: int = 0) -> Neighbour:
    return Neighbour(score=0.5, sha256="s", key=key, field=field, shard=shard)


def test_a_pair_has_its_url_and_caption_and_its_image(tmp_path: Path) -> None:
    data = make_dataset(tmp_path, "pairs", pairs := make_pairs(9), shards=4)
    last = max(pairs)
    with closing(SampleReader(ReaderConfig(paths=(data,)))) as reader:
        shard = reader.indexes[0].shards[-1].index
        (hit,) = describe_hits(reader, [neighbour(last[0], "jpg", shard)])
        assert (hit.rank, hit.key, hit.score) == (1, last[0], 0.5)
        assert image_of(reader, hit) == last[1]["jpg"]


def test_a_page_without_a_word_on_an_image_gives_its_own_url(tmp_path: Path) -> None:
    named = b'[{"name": "%s.001.jpg", "url": "http://x/1", "caption": "one"}, 7]' % KEY.encode()
    members = {"000.jpg": make_image(0), "001.jpg": make_image(1), "json": PAGE % named}
    data = make_dataset(tmp_path / "a", "interleaved", [(KEY, members)], shards=1)
    with closing(SampleReader(ReaderConfig(paths=(data,)))) as reader:
        first, second = describe_hits(reader, [neighbour(KEY, "000.jpg"), neighbour(KEY, "001.jpg")])
    assert (second.url, second.caption) == ("http://x/1", "one")
    assert first.url != "http://x/1"
    broken = make_dataset(tmp_path / "b", "interleaved", [(KEY, {**members, "json": b"{"})], shards=1)
    with closing(SampleReader(ReaderConfig(paths=(broken,)))) as reader:
        assert [hit.key for hit in describe_hits(reader, [neighbour(KEY, "001.jpg")])] == [KEY]
