"""The image store: every outcome is found, bytes are read back, and damage is an error with a remedy."""

from dataclasses import replace
from pathlib import Path

import pytest

from corpusloom.pipelines.models.identity import ModelIdentity
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.schemas.errors import ConfigError, DamageError
from tests.pipelines.store.store_maker import fill, outcomes, png, wanted


def test_every_outcome_is_found_again(tmp_path: Path) -> None:
    index = fill(tmp_path, outcomes()).index()
    found = {name: index.find(wanted(name).key) for name, _ in outcomes()}
    assert {name: (row.outcome, row.reason, row.final) for name, row in found.items() if row} == {
        "a": ("kept", None, True),
        "b": ("kept", None, True),
        "again": ("kept", None, True),
        "gone": ("rejected", "http_410", True),
        "slow": ("dead", "timeout_total", False),
        "html": ("rejected", "not_an_image", True),
        "c": ("kept", None, True),
    }
    assert index.find(wanted("never").key) is None
    assert wanted("never").key not in index


def test_bytes_come_back_and_the_same_bytes_are_stored_once(tmp_path: Path) -> None:
    store = fill(tmp_path, outcomes())
    index = store.index()
    rows = [index.find(wanted(name).key) for name in ("a", "again", "c")]
    assert [store.read(row) for row in rows if row] == [png(1), png(1), png(3)]
    places = [(row.pack, row.offset) for row in rows if row]
    assert places[0] == places[1] != places[2]
    assert (
        sum((tmp_path / "packs" / name).read_bytes().count(png(1)) for name in {row.pack for row in rows if row}) == 1
    )


def test_a_damaged_part_names_the_way_out(tmp_path: Path) -> None:
    store = fill(tmp_path, outcomes())
    part = Path(store.parts(1)[0])
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(DamageError, match="--reindex"):
        store.index()


def test_bytes_that_are_not_those_of_the_row_are_damage(tmp_path: Path) -> None:
    store = fill(tmp_path, outcomes())
    index = store.index()
    a, b, gone = (index.find(wanted(name).key) for name in ("a", "b", "gone"))
    assert a
    assert b
    assert gone
    with pytest.raises(DamageError, match="not those that were fetched"):
        store.read(replace(a, sha256=b.sha256))
    with pytest.raises(DamageError, match="no bytes stored"):
        store.read(gone)


def test_generations_are_numbers_and_a_new_store_has_the_first(tmp_path: Path) -> None:
    store = ImageStore(str(tmp_path))
    assert store.generations() == [1]
    for name in ("00002", "00010", "notes"):
        (tmp_path / "index" / name).mkdir(parents=True)
    assert store.generations() == [2, 10]


def test_scores_belong_to_one_identity_of_a_model(tmp_path: Path) -> None:
    store, identity = ImageStore(str(tmp_path)), ModelIdentity("m", "1", "a" * 64)
    store.claim_scores("m", identity)
    store.claim_scores("m", identity)
    store.claim_scores("other", replace(identity, version="2"))
    for changed in (replace(identity, version="2"), replace(identity, weights_sha256="b" * 64)):
        with pytest.raises(ConfigError, match="score every image again"):
            store.claim_scores("m", changed)
