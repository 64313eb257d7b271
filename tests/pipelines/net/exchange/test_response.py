"""A response: its headers by name, and the target of a redirect."""

import re
import time

import pytest

from corpusloom.pipelines.net.exchange import response
from tests.pipelines.net.exchange.responses import make_response


def test_headers_are_found_whatever_their_case_and_the_first_one_counts() -> None:
    found = make_response(ETag="a", etag="b")
    assert found.header("etag") == "a"
    assert found.header("last-modified") is None


@pytest.mark.parametrize(("status", "location"), [(301, "/x"), (302, "/x"), (303, "/x"), (307, "/x"), (308, "/x")])
def test_a_redirect_has_a_target(status: int, location: str) -> None:
    assert make_response(status=status, Location="/x").location == location
    assert make_response(status=status).location is None


@pytest.mark.parametrize("status", [200, 201, 300, 304, 305, 404])
def test_other_responses_have_none(status: int) -> None:
    assert make_response(status=status, Location="/x").location is None


def test_the_time_is_written_in_utc_and_whole_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_767_323_045.9)
    assert response.now() == "2026-01-02T03:04:05Z"
    monkeypatch.undo()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", response.now())
