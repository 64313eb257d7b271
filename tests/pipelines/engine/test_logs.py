"""JSON log lines: our own events with their fields, libraries' messages, and no secret of a URL."""

import json
import logging
import sys
from datetime import UTC, datetime

import pytest

from corpusloom.pipelines.engine.logs import FIELDS, LOGGER, JsonLinesFormatter, PlainFormatter, log, without_secrets


def line(name: str, message: str, **values: object) -> dict[str, object]:
    """Return one record as the formatter writes it."""
    record = logging.LogRecord(name, logging.WARNING, __file__, 1, message, None, None)
    record.created = datetime(2026, 1, 2, 3, 4, 5, 678_900, UTC).timestamp()
    vars(record).update(values)
    return json.loads(JsonLinesFormatter().format(record))


def test_an_event_of_ours_carries_its_fields() -> None:
    assert line(LOGGER, "stage finished", **{FIELDS: {"stage": "pages", "seconds": 1.5}}) == {
        "time": "2026-01-02T03:04:05.678+00:00",
        "level": "warning",
        "event": "stage finished",
        "stage": "pages",
        "seconds": 1.5,
    }


def test_a_library_is_named_and_its_error_is_a_class() -> None:
    try:
        raise ValueError("http://me:secret@a.example/")
    except ValueError:
        found = line("urllib3", "failed for http://a.example/x?token=1", exc_info=sys.exc_info())
    assert (found["event"], found["library"], found["error"]) == ("library", "urllib3", "ValueError")
    assert found["text"] == "failed for http://a.example/x?..."


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("s3://key:secret@bucket/path", "s3://bucket/path"),
        ("read http://a.example/x?sig=1&b=2 twice", "read http://a.example/x?... twice"),
        ("who? me@example.org", "who? me@example.org"),
        (
            {"urls": ["http://u@a.example/", ("http://b.example/?q",)]},
            {"urls": ["http://a.example/", ["http://b.example/?..."]]},
        ),
        (3, 3),
        (None, None),
    ],
)
def test_users_and_queries_of_urls_are_removed_at_any_depth(value: object, shown: object) -> None:
    assert without_secrets(value) == shown


def test_log_hands_its_fields_to_the_logger(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger=LOGGER):
        log("note", text="hello")
    (record,) = caplog.records
    assert (record.getMessage(), getattr(record, FIELDS)) == ("note", {"text": "hello"})


def test_plain_lines_keep_their_breaks_and_lose_their_controls() -> None:
    record = logging.LogRecord("library", logging.WARNING, __file__, 1, "a\x1b[2J\nb", None, None)
    assert PlainFormatter().format(record) == "a\\u001b[2J\nb"
