"""The rules and settings of each shipped recipe equal a file, so that no change of code or defaults goes unnoticed.

`python -m tests.pipelines.recipes.test_in_force` writes the file anew; look at the difference before you commit it.
"""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corpusloom.pipelines.recipes import deciding
from corpusloom.pipelines.recipes.keys import keys_of
from corpusloom.pipelines.recipes.recipe import Recipe, load_recipe, recipe_names
from corpusloom.schemas.verdicts import Rule

FILE = Path(__file__).with_name("in_force.json")
RULES: dict[str, Callable[[Recipe], tuple[Rule, ...]]] = {
    "select": deciding.select_rules,
    "pairs": deciding.pair_rules,
    "images": deciding.image_rules,
    "images per page": deciding.image_count_rules,
}


def show(rule: Rule) -> str:
    """Return a rule in one line: the rejected range and its reason."""
    low, high = ("<=", ">=") if rule.strict else ("<", ">")
    bound = f"{low} {rule.minimum:g}" if rule.minimum is not None else f"{high} {rule.maximum:g}"
    return f"{rule.reason}: {rule.score} {bound}"


def settings(recipe: Recipe) -> dict[str, Any]:
    """Return key -> value of every setting, without tables that are off."""
    found: dict[str, Any] = {}
    for key in keys_of(Recipe):
        value: Any = recipe
        for name in key.path.split("."):
            value = getattr(value, name) if value is not None else None
        off = value is None or value is False or value == ()
        if key.table is None and not off and key.path != "description":
            found[key.path] = dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value
    return found


def in_force() -> dict[str, Any]:
    """Return the rules and settings of every recipe, as in the file."""
    found = {
        name: {
            "rules": {part: [show(rule) for rule in rules(load_recipe(name))] for part, rules in RULES.items()},
            "keys": settings(load_recipe(name)),
        }
        for name in recipe_names()
    }
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return plain


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_decides_as_it_did(name: str) -> None:
    expected, found = json.loads(FILE.read_text("utf-8")), in_force()
    assert found[name]["rules"] == expected[name]["rules"]
    assert found[name]["keys"] == expected[name]["keys"]


def test_every_recipe_is_held() -> None:
    assert set(json.loads(FILE.read_text("utf-8"))) == set(recipe_names())


if __name__ == "__main__":
    FILE.write_text(json.dumps(in_force(), indent=1, ensure_ascii=False) + "\n", "utf-8")
