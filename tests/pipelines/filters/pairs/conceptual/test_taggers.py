"""Taggers by name; errors name the package to install."""

import pytest

from corpusloom.pipelines.filters.pairs.conceptual import taggers
from corpusloom.pipelines.filters.pairs.conceptual.taggers import load_tagger
from corpusloom.schemas.errors import ConfigError


def test_a_tagger_is_read_once() -> None:
    assert load_tagger("textblob") is load_tagger("textblob")


def test_an_unknown_tagger_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ConfigError, match=r"filters\.conceptual\.tagger.*'blob'.*known: .*textblob"):
        load_tagger("blob")


def test_what_follows_a_colon_is_given_to_the_constructor(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def construct(model: str) -> object:
        made.append(model)
        return object()

    monkeypatch.setitem(taggers.TAGGERS, "mine", construct)
    load_tagger("mine:C:/model")
    assert made == ["C:/model"]


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def construct(_: str) -> object:
        raise ImportError(name="blorks")

    monkeypatch.setitem(taggers.TAGGERS, "absent", construct)
    with pytest.raises(ConfigError, match=r"absent needs blorks.*pip install 'corpusloom\[captions\]'"):
        load_tagger("absent")
