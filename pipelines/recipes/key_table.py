"""Generates the table of recipe keys in docs/recipes.md from the dataclasses and their docstrings.

`python -m corpusloom.pipelines.recipes.key_table docs/recipes.md` rewrites the table between its two markers.
"""

import dataclasses
import json
import sys
import typing
from pathlib import Path

from corpusloom.pipelines.recipes.keys import BOUNDS, Key, keys_of
from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.schemas.config import field_docs

START, END = "<!-- keys: made by corpusloom.pipelines.recipes.key_table -->\n", "<!-- end of keys -->\n"
_NAMES = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def type_name(key: Key) -> str:
    """Return the type of a key's value, in words of TOML."""
    options = [option for option in typing.get_args(key.hint) or (key.hint,) if option is not type(None)]
    if key.table is not None:
        return "table"
    if typing.get_origin(key.hint) is tuple:
        return "list of texts"
    names = [_NAMES[option] for option in options if option in _NAMES]
    names += [f"{{ {option.__name__.lower()} = ... }}" for option in options if option in BOUNDS]
    return " or ".join(names)


def absent(key: Key) -> str:
    """Return the value that applies if a recipe leaves a key out."""
    if key.is_threshold:
        return "off"
    if key.default is dataclasses.MISSING:
        return "required"
    if key.table is not None:
        return "its keys' defaults"
    return "none" if key.default is None else f"`{json.dumps(key.default)}`".replace("|", "\\|")


def table() -> str:
    """Return the table as Markdown, one row per key."""
    lines = ["| key | sort | value | left out | for | what |", "| --- | --- | --- | --- | --- | --- |"]
    for key in keys_of(Recipe):
        sort = "threshold" if key.is_threshold else "setting"
        doc = field_docs(key.owner)[key.item.name].replace("|", "\\|")
        kinds = ", ".join(key.kinds) or "all"
        lines.append(f"| `{key.path}` | {sort} | {type_name(key)} | {absent(key)} | {kinds} | {doc} |")
    return "\n".join(lines) + "\n"


def with_table(text: str) -> str:
    """Return a Markdown page with the table replaced between its markers."""
    before, _, rest = text.partition(START)
    after = rest.partition(END)[2]
    return f"{before}{START}{table()}{END}{after}"


def main(path: str) -> None:
    """Rewrite the table in the Markdown file at `path`."""
    page = Path(path)
    page.write_text(with_table(page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
