"""`loom search` prints a table per query."""

import json
from typing import Any

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.jobs import search
from corpusloom.trainers.jobs.search import SearchHit, SearchResult
from tests.pipelines.cli.recorded_calls import record_calls

HIT = SearchHit(
    rank=1, score=0.3125, key="k1", field="jpg", shard=0, row=0, sha256="s", url="http://x/1", caption="a\x1b red star"
)
RESULT = SearchResult(dataset="data", images=1200, queries=("a star", "cat.jpg"), hits=((HIT,), ()), seconds=0.25)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the arguments with which searches are asked for."""
    return record_calls(monkeypatch, search, "search", RESULT)


def test_hits_are_printed_and_flags_handed_on(asked: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["search", "data", "a star", "--image", "cat.jpg", "-k", "3", "--embeddings", "e"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].strip() == "a star"
    assert lines[2].split() == ["1", "0.312", "k1", "a\\u001b", "red", "star", "http://x/1"]
    assert lines[-1] == "1,200 images searched in 0.25 s"
    arguments, named = asked[0]
    assert arguments == ("data", ("a star",), ("cat.jpg",))
    assert named == {"k": 3, "checkpoint": None, "embeddings": "e", "device": None, "html": None}


def test_json_holds_every_hit(asked: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["search", "data", "a star", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hits"][0][0]["score"] == 0.3125


@pytest.mark.parametrize("texts", [[], [""], ["a star", " "]])
def test_a_search_for_nothing_is_refused(texts: list[str]) -> None:
    with pytest.raises(ConfigError, match="nothing to search for"):
        main.run(["search", "data", *texts])
