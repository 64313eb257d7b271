"""Damage in words: every kind has a text, and a remedy that a person can follow."""

import json

import pytest

from corpusloom.pipelines.datasets.damage import Damage, DamageKind, describe, remedy_of, to_json


@pytest.mark.parametrize("kind", list(DamageKind))
def test_every_kind_is_worded(kind: DamageKind) -> None:
    text = describe(Damage(kind=kind, where="x", subject="the subject", found=2, expected=3))
    assert text
    assert "{" not in text


def test_texts_name_what_was_found_and_what_was_expected() -> None:
    def said(kind: DamageKind) -> str:
        return describe(Damage(kind=kind, where="x", subject="K", found=2, expected=3))

    assert said(DamageKind.WRONG_SIZE) == "has 2 bytes, not 3"
    assert said(DamageKind.WRONG_ROW_COUNT) == "has 2 rows, not 3"
    assert said(DamageKind.WRONG_SAMPLE_COUNT) == "its shards hold 2 samples, not 3"
    assert said(DamageKind.WRONG_LEDGER_COUNT) == "2 rows of K, the manifest counts 3"
    assert said(DamageKind.WRONG_HEADER) == "no header of K before byte 3"
    assert said(DamageKind.UNACCOUNTED) == "2 records of K are unaccounted for"
    assert said(DamageKind.UNREADABLE_FILE) == said(DamageKind.TAR_DIFFERS) == said(DamageKind.COUNT_GAP) == "K"


def test_a_message_with_braces_is_shown_as_it_is() -> None:
    damage = Damage(kind=DamageKind.UNREADABLE_FILE, where="x", subject="{found} {}")
    assert describe(damage) == "{found} {}"


def test_the_remedy_names_the_shard_that_is_written_again() -> None:
    shard = Damage(kind=DamageKind.WRONG_HASH, where="00000.tar", shard=0)
    assert remedy_of(shard, "data/m3w") == "loom verify data/m3w --repair writes shard 00000 alone again"
    table = Damage(kind=DamageKind.WRONG_HASH, where="ledger/select.parquet")
    assert remedy_of(table, "data/m3w") == "loom verify data/m3w --repair writes it again"
    assert remedy_of(Damage(kind=DamageKind.FOREIGN_FILE, where="x", remedy="move it"), "data") == "move it"


def test_json_has_the_kind_and_the_shard() -> None:
    damage = Damage(kind=DamageKind.WRONG_SIZE, where="00001.tar", shard=1, found=2, expected=3)
    values = json.loads(to_json([damage], "data"))
    assert values == {
        "whole": False,
        "damage": [
            {
                "kind": "wrong_size",
                "where": "00001.tar",
                "shard": 1,
                "what": "has 2 bytes, not 3",
                "remedy": "loom verify data --repair writes shard 00001 alone again",
            }
        ],
    }
    assert json.loads(to_json([], "data")) == {"whole": True, "damage": []}


def test_kinds_are_stable_words() -> None:
    assert [kind.value for kind in DamageKind] == [kind.name.lower() for kind in DamageKind]
