"""Prints what a benchmark of claims found."""

import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any


def report(
    rows: Callable[[], Sequence[Any]], table: Callable[[Sequence[Any]], str], *, minutes: float, as_json: bool
) -> int:
    """Print the rows, which are dataclasses, as JSON lines or as a table; return 3 if time ran out before."""
    try:
        found = rows()
    except TimeoutError as error:
        print(f"{minutes:g} minutes are over, in {error}: the same command goes on", file=sys.stderr)
        return 3
    if as_json:
        for row in found:
            print(json.dumps(dataclasses.asdict(row)))
    else:
        print(table(found))
    return 0
