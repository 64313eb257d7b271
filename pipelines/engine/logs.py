"""Logs for machines: a JSON object a line on standard error, our own events and what libraries log alike.

Nothing secret is in them: of a URL neither what stands before the host (user, password) nor after the `?` (signatures).
"""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

LOGGER = "corpusloom"
FIELDS = "fields"
_USER = re.compile(r"(?<=://)[^/\s@\"']*@")
_QUERY = re.compile(r"(\w://[^\s?\"']*)\?[^\s\"']*")


def redacted(value: Any) -> Any:
    """Return a value without what URLs in it may hold of secrets, down into lists and dicts."""
    if isinstance(value, str):
        return _QUERY.sub(r"\1?...", _USER.sub("", value))
    if isinstance(value, dict):
        return {key: redacted(item) for key, item in value.items()}
    return [redacted(item) for item in value] if isinstance(value, list | tuple) else value


class JsonLines(logging.Formatter):
    """Makes of each record one line: time, level, event and the event's own fields."""

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
        return json.dumps(redacted(values), ensure_ascii=False, default=str)


def to_json_lines() -> None:
    """Make everything that is logged in this process from here on JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    logging.captureWarnings(True)
    logging.getLogger(LOGGER).setLevel(logging.INFO)


def log(event: str, **fields: Any) -> None:
    """Log one of our own events."""
    logging.getLogger(LOGGER).info(event, extra={FIELDS: fields})
