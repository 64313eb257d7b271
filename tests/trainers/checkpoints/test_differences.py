"""Differences of settings are told key by key."""

from corpusloom.trainers.checkpoints.differences import differences, flat


def test_tables_are_flattened() -> None:
    assert dict(flat({"a": {"b": 1, "c": {"d": [2]}}, "e": {}})) == {"a.b": 1, "a.c.d": [2], "e": {}}


def test_each_key_that_differs_is_one_line() -> None:
    before = {"name": "x", "train": {"lr": 1, "clip": 2.0, "betas": [0.9, 0.99]}, "loader": {"prefetch": 1}}
    now = {"name": "y", "train": {"lr": 2, "clip": None, "betas": (0.9, 0.99), "ema": 0.5}, "loader": {"prefetch": 2}}
    assert list(differences(before, now)) == [
        "train.lr is 2 now, 1 in the checkpoint",
        "train.clip is unset now, 2.0 in the checkpoint",
        "train.ema is 0.5 now, unset in the checkpoint",
    ]


def test_a_key_that_is_gone_is_told() -> None:
    assert list(differences({"torch": "2.1"}, {})) == ['torch is unset now, "2.1" in the checkpoint']


def test_an_empty_table_is_one_that_is_unset() -> None:
    before = {"groups": {"image.*": {"freeze": True}}}
    assert list(differences(before, {"groups": {}})) == ["groups.image.*.freeze is unset now, true in the checkpoint"]
    assert list(differences({"groups": {}}, {})) == []
