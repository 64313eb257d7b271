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


@pytest.mark.parametrize(
    ("status", "span", "partial"),
    [
        (200, None, False),
        (200, "bytes 5-9/20", False),
        (206, None, True),
        (206, "bytes 0-19/20", False),
        (206, " Bytes 0-19/20 ", False),
        (206, "bytes 0-18/20", True),
        (206, "bytes 1-19/20", True),
        (206, "bytes 0-19/*", True),
        (206, "bytes */20", True),
        (206, "items 0-19/20", True),
    ],
)
def test_a_206_is_a_part_unless_its_range_spans_the_whole(status: int, span: str | None, partial: bool) -> None:
    assert response.is_partial(status, span) == partial


@pytest.mark.parametrize(("status", "success"), [(199, False), (200, True), (206, False), (299, True), (304, False)])
def test_a_success_begins_as_its_resource(status: int, success: bool) -> None:
    assert response.is_success(status) == success
