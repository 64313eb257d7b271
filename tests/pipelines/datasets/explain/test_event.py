"""A name stands for the keys that it is or gives, and for its placeholder after a take-down."""

import pytest

from corpusloom.pipelines.datasets.explain.event import Wanted, keys_of
from corpusloom.pipelines.store.tombstones import hide
from corpusloom.schemas import identity

URL = "http://a.example/"


def test_a_url_is_a_page_or_an_image_and_a_key_is_itself() -> None:
    assert keys_of("0" * 32) == {"0" * 32}
    assert keys_of(URL) == {identity.page_key(URL), identity.image_key(URL)}


@pytest.mark.parametrize("name", ["0" * 31, "0" * 33, "g" * 32, "A" * 32])
def test_what_is_no_key_is_read_as_a_url(name: str) -> None:
    assert keys_of(name) == {identity.page_key(name), identity.image_key(name)}


def test_a_wanted_record_lists_its_own_keys_its_owners_and_its_occurrences() -> None:
    wanted = Wanted(URL, {"k"}, {"o"}, {"x"})
    assert wanted.listed == {"k", "o", "x"}
    assert wanted.urls == {URL, hide(URL)}


@pytest.mark.parametrize(("name", "is_hash"), [("a" * 64, True), ("a" * 63, False), ("g" * 64, False), (URL, False)])
def test_a_name_of_64_hex_digits_is_a_hash(name: str, is_hash: bool) -> None:
    assert (Wanted.of(name).sha256 == name) == is_hash
