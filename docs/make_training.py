"""Generates the table of training keys in docs/training.md from the dataclasses: `python docs/make_training.py`."""

import dataclasses
import json
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corpusloom.schemas.config import field_docs, type_words
from corpusloom.trainers import registry
from corpusloom.trainers.training.config import FAMILIES, GroupConfig, config_names, load_config

PAGE = Path(__file__).with_name("training.md")
START, END = "<!-- keys: made by docs/make_training.py -->\n", "<!-- end of keys -->\n"
SHARED = ("train", "parallel", "loader")


def rows(table: str, kind: Any) -> Iterator[str]:
    """Yield a row per key of a dataclass, and of the dataclasses in it."""
    docs, hints = field_docs(kind), typing.get_type_hints(kind)
    for item in dataclasses.fields(kind):
        inner = next((option for option in _options(hints[item.name]) if dataclasses.is_dataclass(option)), None)
        if inner is not None:
            yield from rows(f"{table}.{item.name}", inner)
            continue
        words, what = type_words(hints[item.name]), docs.get(item.name, "").replace("|", "\\|")
        yield f"| `{table}.{item.name}` | {words} | {_default(item)} | {what} |"
        if item.name == "groups":
            yield from rows(f'{table}.groups."PATTERN"', GroupConfig)


def _options(hint: Any) -> tuple[Any, ...]:
    return () if typing.get_origin(hint) is dict else typing.get_args(hint) or (hint,)


def _default(item: Any) -> str:
    if item.default_factory is not dataclasses.MISSING:
        value = item.default_factory()
    elif item.default is dataclasses.MISSING:
        return "required"
    else:
        value = item.default
    return "off" if value is None else f"`{json.dumps(value)}`"


def tables() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (title, table -> dataclass): of all families, then of each."""
    configs = [load_config(name) for name in config_names()]
    first = {config.family: config for config in configs if not config.model.get("task")}
    found = {family: registry.tables_of(first[family]) for family in FAMILIES}
    yield "Every family", {name: type(found[FAMILIES[0]][name]) for name in SHARED}
    for family, values in found.items():
        yield family, {name: type(value) for name, value in values.items() if name not in SHARED}
    task = next(config for config in configs if config.model.get("task"))
    yield "vilbert, tasks after the pre-training", {"data": type(registry.tables_of(task)["data"])}


def keys() -> str:
    """Return the tables as Markdown."""
    lines = []
    for title, kinds in tables():
        lines += [f"### {title}", "", "| key | value | left out | meaning |", "| --- | --- | --- | --- |"]
        inner = {name for name in kinds if "." in name}
        for name, kind in kinds.items():
            lines += [row for row in rows(name, kind) if name in inner or not _belongs(row, inner)]
        lines.append("")
    return "\n".join(lines)


def _belongs(row: str, tables: set[str]) -> bool:
    return any(row.startswith(f"| `{table}.") for table in tables)


def with_keys(text: str) -> str:
    """Return the page with the tables replaced between their markers."""
    before, _, rest = text.partition(START)
    return f"{before}{START}{keys()}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(with_keys(PAGE.read_text("utf-8")), "utf-8")
