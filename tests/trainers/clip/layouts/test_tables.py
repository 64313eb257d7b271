"""Tables of other layouts."""

import pytest

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.layouts.tables import ours_of, refuse, sides_of, theirs_of
from tests.trainers.clip.folders import our_config

KEYS = {"text": {"layers": ("depth", 3), "width": ("hidden", 5)}}


def test_keys_are_renamed_in_both_directions() -> None:
    sides = sides_of({"t": {"depth": 7}}, {"text": "t"})
    assert ours_of(sides, KEYS) == {"text.layers": 7, "text.width": 5}
    assert theirs_of(our_config().text, KEYS["text"]) == {"depth": 2, "hidden": 16}


def test_a_value_in_the_place_of_a_table_is_named() -> None:
    with pytest.raises(ConfigError, match="t is no table"):
        sides_of({"t": 3}, {"text": "t"})
    assert str(refuse("c.json", "k", 1, 2)) == "c.json: k is 1 (supported: 2)"
