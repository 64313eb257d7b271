"""The frontier: one lane per registered domain, each key once, only URLs without an outcome in the store."""

from pathlib import Path

from corpusloom.pipelines.store.images.frontier import lane_of, read_lane, write_frontier, write_lanes
from corpusloom.pipelines.store.images.outcomes import ImageUrl
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.schemas import identity
from tests.pipelines.store.store_maker import answer, fill, wanted


def wants(count: int) -> list[ImageUrl]:
    urls = [f"http://h{n % 7}.site{n % 5}.example/{n}.jpg" for n in range(count)]
    return [ImageUrl(identity.image_key(url), url) for url in urls]


def test_every_url_once_in_the_lane_of_its_domain(tmp_path: Path) -> None:
    index = ImageStore(str(tmp_path)).index()
    items = wants(500)
    lanes = write_lanes([*items, *items[:100]], str(tmp_path / "f"), 3, files=4)
    found = {lane.number: list(read_lane(lane, index, 1)) for lane in lanes}
    assert sorted(item.key for group in found.values() for item in group) == sorted(item.key for item in items)
    assert all(lane_of(item.url, 3) == number for number, group in found.items() for item in group)
    assert sum(lane.rows for lane in lanes) == 600


def test_what_has_an_outcome_is_left_out_and_a_retry_asks_once_more(tmp_path: Path) -> None:
    store = fill(tmp_path, [("a", answer(1))])
    (lane,) = write_frontier([wanted("a"), wanted("b")], store.index(), str(tmp_path / "f"), 1)
    assert [item.url for item in read_lane(lane, store.index(), 1)] == [wanted("b").url]
    (retry,) = write_lanes([wanted("a")], str(tmp_path / "r"), 1)
    assert [item.url for item in read_lane(retry, store.index(), 2)] == [wanted("a").url]
    again = fill(tmp_path, [("a", answer(2))], generation=2)
    assert list(read_lane(retry, again.index(), 2)) == []
