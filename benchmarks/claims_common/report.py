"""Runs a benchmark of claims as a command, and prints its findings."""

import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

import tyro

from corpusloom.schemas.errors import LoomError

Config = TypeVar("Config")


def run_command(main: Callable[[Config], int], config: type[Config], description: str | None) -> NoReturn:
    """Read the flags of `config`, run `main` with them, and exit with its code, or with the text of a LoomError."""
    try:
        sys.exit(main(tyro.cli(config, description=description)))
    except LoomError as error:
        sys.exit(str(error))


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
