"""The further columns of a list that its pairs keep, as text."""

import json
from collections.abc import Sequence
from typing import Any

MAX_TEXT = 10_000
"""Characters of a value that are kept, at most."""


def kept_columns(names: Sequence[str], values: Sequence[Any]) -> dict[str, str]:
    """Return column -> value as text, without empty ones; numbers, booleans, lists and objects are written as JSON."""
    texts = {
        name: value if isinstance(value, str) else _as_json(value) for name, value in zip(names, values, strict=True)
    }
    return {name: text[:MAX_TEXT] for name, text in texts.items() if text.strip()}


def _as_json(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)
