"""Logs on standard error: lines of JSON for machines, or plain lines, for our own events and those of libraries.

No secrets are logged: URLs lose their user, password and query, which may hold a signature.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from corpusloom.pipelines.engine.printing import printable
from corpusloom.schemas.urls.redaction import redacted

LOGGER = "corpusloom"
FIELDS = "fields"


def without_secrets(value: Any) -> Any:
    """Return a value without the users, passwords and queries of URLs, also those in lists and dicts."""
    if isinstance(value, str):
        return redacted(value, queries=True)
    if isinstance(value, dict):
        return {key: without_secrets(item) for key, item in value.items()}
    return [without_secrets(item) for item in value] if isinstance(value, list | tuple) else value


class JsonLinesFormatter(logging.Formatter):
    """Formats a record as one line of JSON: time, level, event and the event's fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        values: dict[str, Any] = {"time": time, "level": record.levelname.lower()}
        if record.name == LOGGER:
            values |= {"event": record.getMessage(), **getattr(record, FIELDS, {})}
        else:
            values |= {"event": "library", "library": record.name, "text": record.getMessage()}
        if record.exc_info and record.exc_info[0] is not None:
            values["error"] = record.exc_info[0].__name__
        return printable(json.dumps(without_secrets(values), ensure_ascii=False, default=str))


class PlainFormatter(logging.Formatter):
    """Formats a record as plain text, which may be several lines."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the text, with its terminal controls escaped and without secrets."""
        return printable(redacted(super().format(record), queries=True), lines=True)


def use_json_lines() -> None:
    """Log in this process as lines of JSON from here on, with our own events."""
    _use(JsonLinesFormatter())
    logging.getLogger(LOGGER).setLevel(logging.INFO)


def use_plain_lines() -> None:
    """Log in this process as plain lines from here on."""
    _use(PlainFormatter())


def _use(formatter: logging.Formatter) -> None:
    """Log on standard error by one formatter, warnings of Python included."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    logging.captureWarnings(True)


def log(event: str, **fields: Any) -> None:
    """Log an event of ours."""
    logging.getLogger(LOGGER).info(event, extra={FIELDS: fields})
