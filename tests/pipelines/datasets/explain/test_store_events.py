"""An image store knows the outcome of each URL, and what was taken down."""

from pathlib import Path

from corpusloom.pipelines.builds.apply_tombstones import purge_store
from corpusloom.pipelines.datasets.explain.event import Wanted
from corpusloom.pipelines.datasets.explain.store_events import Store
from corpusloom.pipelines.datasets.forget import make_tombstones
from corpusloom.pipelines.store import tombstones
from corpusloom.pipelines.store.tombstones import Tombstones
from tests.pipelines.store.store_maker import fill, outcomes, wanted


def events(folder: Path, name: str) -> list[tuple[str, str, str | None]]:
    record = Wanted.of(name)
    Store(str(folder)).extend(record)
    return [(event.stage, event.outcome, event.reason) for event in Store(str(folder)).events(record)]


def test_each_outcome_of_an_image_is_told(tmp_path: Path) -> None:
    fill(tmp_path, outcomes())
    assert events(tmp_path, wanted("gone").url) == [("store", "rejected", "http_410")]
    assert events(tmp_path, wanted("a").url) == [("store", "kept", None)]
    assert wanted("a").url in set(Store(str(tmp_path)).names())


def test_a_hash_leads_to_every_url_that_gave_the_image(tmp_path: Path) -> None:
    store = fill(tmp_path, outcomes())
    sha256 = next(row.sha256 for row in store.index().rows() if row.key == wanted("a").key)
    assert events(tmp_path, sha256 or "") == [("store", "kept", None)] * 2


def test_a_take_down_is_told_by_what_named_it(tmp_path: Path) -> None:
    fill(tmp_path, outcomes())
    stones = make_tombstones(urls=(wanted("a").url,), domains=("b.example",)) | Tombstones(sha256=frozenset({"0" * 64}))
    tombstones.write(str(tmp_path), stones)
    purge_store(str(tmp_path), stones)
    for name in (wanted("a").url, wanted("a").key, "http://www.b.example/x", "0" * 64):
        assert ("forget", "forgotten", None) in events(tmp_path, name)
    assert events(tmp_path, wanted("a").key)[0] == ("store", "forgotten", None)
    assert events(tmp_path, wanted("b").url) == [("store", "kept", None)]
