"""Stands in for a function that a command calls: records the arguments, returns a given result."""

from typing import Any

import pytest


def record_calls(monkeypatch: pytest.MonkeyPatch, module: object, name: str, result: object) -> list[Any]:
    """Replace a function of a module; return the list that gets (arguments, named arguments) of each call."""
    found: list[Any] = []

    def answer(*arguments: Any, **named: Any) -> object:
        found.append((arguments, named))
        return result

    monkeypatch.setattr(module, name, answer)
    return found
