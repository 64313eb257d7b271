"""Outcomes that earlier versions took from empty or partial bodies are withdrawn, and nothing else."""

from dataclasses import replace
from pathlib import Path

import pytest

from corpusloom.pipelines.store.images import recovery
from corpusloom.pipelines.store.images.outcomes import ImageOutcome
from corpusloom.pipelines.store.images.recheck import recheck
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.schemas.verdicts import Dead, Rejected
from tests.pipelines.store.store_maker import answer, fill, outcomes, png, wanted

HALF = replace(answer(4), body=png(4, 99)[:-400])
TAIL = replace(answer(4), body=png(5, 99)[:-4], status=206)
"""A picture without the last checksum, which a decoder does not need."""
DOUBTFUL: list[tuple[str, ImageOutcome]] = [
    ("empty", replace(answer(0), body=b"")),
    ("short", replace(answer(0), body=png(1)[:20])),
    ("half", HALF),
    ("range", TAIL),
]
SURE: list[tuple[str, ImageOutcome]] = [
    *outcomes(),
    ("useful", replace(TAIL, status=200)),
    ("policy", Rejected("robots_txt")),
    ("down", Dead("dns_failed")),
]
SURE = [(name, outcome) for name, outcome in SURE if name != "html"]


def old_store(folder: Path, entries: list[tuple[str, ImageOutcome]]) -> ImageStore:
    """Write a store as earlier versions did: its packs do not say that whole bodies decided."""
    store = fill(folder, entries)
    for pack in (folder / "packs").iterdir():
        data = pack.read_bytes()
        block = b"generation: 1\r\nbodies: whole\r\n"
        assert block in data
        pack.write_bytes(data.replace(block, b"generation: 1\r\nbodies: known\r\n"))
    return store


def rows(store: ImageStore) -> dict[str, str]:
    return {row.url.rsplit("/", 1)[1]: row.outcome for row in store.index().rows()}


@pytest.mark.parametrize("entries", [DOUBTFUL + SURE, SURE + DOUBTFUL])
def test_doubtful_outcomes_are_withdrawn_and_others_stay(
    tmp_path: Path, entries: list[tuple[str, ImageOutcome]]
) -> None:
    store = old_store(tmp_path, entries)
    before = rows(store)
    found = recheck(store)
    assert found.withdrawn == {"not_an_image": 1, "truncated_header": 1, "truncated": 1, "http_206": 1}
    assert (found.searched, found.generation) == (len(entries), 2)
    assert rows(store) == {name: before[name] for name, _ in SURE}
    assert {url for _, url in store.index().transient()} == {
        wanted(name).url for name in ("empty", "short", "half", "range", "slow", "down")
    }


def test_a_second_recheck_and_a_rebuilt_index_change_nothing(tmp_path: Path) -> None:
    store = old_store(tmp_path, DOUBTFUL + SURE)
    recheck(store)
    fill(tmp_path, [("empty", Rejected("not_an_image"))], generation=2)
    after = rows(store)
    again = recheck(store)
    assert (again.withdrawn, again.generation, after["empty"]) == ({}, 2, "rejected")
    recovery.reindex(store)
    assert rows(store) == after


def test_a_store_of_whole_bodies_is_not_searched(tmp_path: Path) -> None:
    store = fill(tmp_path, DOUBTFUL)
    found = recheck(store)
    assert (found.searched, found.withdrawn, found.generation) == (0, {}, 1)
    assert store.generations() == [1]


def test_a_damaged_pack_is_left_to_those_who_repair_it(tmp_path: Path) -> None:
    store = old_store(tmp_path, [("half", HALF)])
    (pack,) = (tmp_path / "packs").iterdir()
    data = pack.read_bytes()
    pack.write_bytes(data.replace(HALF.body, bytes(len(HALF.body))))
    assert recheck(store).withdrawn == {}
