"""`loom list`: lists recipes, configurations of models, or keys."""

import dataclasses
import json
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tyro
from rich.table import Table

from corpusloom.pipelines.cli.flags import print_json
from corpusloom.pipelines.engine import extras
from corpusloom.schemas.config import OFF, field_docs, load_toml, type_words
from corpusloom.schemas.errors import ConfigError

Cells = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Command:
    """List the recipes of `loom build`, the configurations of `loom train`, or the keys that --set changes.

    Examples:
      loom list recipes
      loom list configs
      loom list keys m3w
      loom list keys clip-tiny --json
    """

    what: Annotated[Literal["recipes", "configs", "keys"], tyro.conf.Positional]
    """recipes, configs, or keys."""
    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")] = ""
    """keys: a recipe or configuration, or the path of its TOML file, whose values are shown; else every recipe key."""
    json: bool = False
    """Print the rows as JSON."""

    def run(self) -> int:
        """Print the rows."""
        if self.name and self.what != "keys":
            raise ConfigError(f"loom list {self.what} takes no name", remedy=f"loom list keys {self.name}")
        rows = {"recipes": recipes, "configs": configurations, "keys": lambda: keys(self.name)}[self.what]()
        if self.json:
            print_json(rows)
            return 0
        from corpusloom.pipelines.cli.text_tables import table_console

        table = Table(box=None, pad_edge=False, show_header=self.what == "keys")
        for column in rows[0]:
            table.add_column(column, no_wrap=column in ("key", "name"), overflow="fold")
        for row in rows:
            table.add_row(*row.values())
        table_console().print(table)
        return 0


def recipes() -> list[Cells]:
    """Return each recipe that ships with its kind and description."""
    from corpusloom.pipelines.recipes.recipe import load_recipe, recipe_names

    found = map(load_recipe, recipe_names())
    return [{"name": recipe.name, "kind": recipe.kind, "description": recipe.description} for recipe in found]


def configurations() -> list[Cells]:
    """Return each configuration of a model that ships with its family, steps and batch size."""
    from corpusloom.trainers.training.config import config_names, load_config

    rows = []
    for config in map(load_config, config_names()):
        steps, size = config.train.steps, config.train.batch_size
        rows.append({"name": config.name, "family": config.family, "training": f"{steps:,} steps of {size:,} samples"})
    return rows


def keys(name: str) -> list[Cells]:
    """Return each key of a recipe or configuration with its value and meaning; of any recipe without a name."""
    from corpusloom.trainers.training.config import FAMILIES, config_names

    if name in config_names() or (name.endswith(".toml") and load_toml(name).get("family") in FAMILIES):
        return training_keys(name)
    return recipe_keys(name)


def recipe_keys(name: str) -> list[Cells]:
    """Return the keys of a recipe with their values, or of any recipe with what they are if left out."""
    from corpusloom.pipelines.recipes.key_table import absent, type_name
    from corpusloom.pipelines.recipes.keys import keys_of
    from corpusloom.pipelines.recipes.recipe import Recipe, load_recipe

    recipe = load_recipe(name) if name else None
    rows = []
    for key in keys_of(Recipe):
        if key.table is not None or (recipe and key.kinds and recipe.kind not in key.kinds):
            continue
        value = absent(key) if recipe is None else _shown(_value(recipe, key.path), off=key.is_threshold)
        rows.append(
            {"key": key.path, "value": value, "type": type_name(key), "what": field_docs(key.owner)[key.item.name]}
        )
    return rows


def training_keys(name: str) -> list[Cells]:
    """Return the keys of a configuration of a model with their values."""
    extras.require("train", extras.TRAIN, "loom list keys")
    from corpusloom.trainers import registry
    from corpusloom.trainers.training.config import load_config

    tables = registry.tables_of(load_config(name))
    return [row for table, values in tables.items() for row in _rows(table, values)]


def _rows(table: str, values: Any) -> Iterator[Cells]:
    """Yield the keys of a table and its tables."""
    docs = field_docs(type(values))  # type: ignore[arg-type]  # a class is hashable
    for item in dataclasses.fields(values):
        value = getattr(values, item.name)
        if dataclasses.is_dataclass(value):
            yield from _rows(f"{table}.{item.name}", value)
        else:
            words = type_words(typing.get_type_hints(type(values))[item.name])
            what = docs.get(item.name, "")
            yield {"key": f"{table}.{item.name}", "value": _shown(value), "type": words, "what": what}


def _value(recipe: Any, path: str) -> Any:
    """Return the value at a dotted path; None below a table that is off."""
    for name in path.split("."):
        recipe = getattr(recipe, name, None)
    return recipe


def _shown(value: Any, *, off: bool = False) -> str:
    """Return a value as --set takes it; with `off`, the value of a rule that is off."""
    if off and (value is None or value is False or value == ()):
        return OFF
    if dataclasses.is_dataclass(value):
        return ", ".join(f"{item.name} = {getattr(value, item.name)}" for item in dataclasses.fields(value))
    return "none" if value is None else json.dumps(value, ensure_ascii=False)
