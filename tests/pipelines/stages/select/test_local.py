"""The local and the Beam implementation decide alike, for any passes, ranges and partitions."""

import dataclasses
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpusloom.pipelines.recipes.recipe import Recipe, load_recipe
from corpusloom.pipelines.stages.kinds.registry import kind_of
from corpusloom.schemas import identity
from corpusloom.schemas.records import Head
from tests.pipelines.stages.select.bodies import on_an_engine, on_one_machine, write_fragments

COUNT = 400


def heads(unit: str) -> list[Head]:
    """Return heads many of which share keys, texts, images, bands or paragraphs, and a few all of them."""
    rng, made = random.Random(unit), []
    for number in range(COUNT):
        key = identity.make_key("page", str(rng.randrange(COUNT * 2 // 3)))
        made.append(
            Head(
                unit=unit,
                key=key,
                parent=identity.make_key("record", str(number)),
                url=f"http://example.org/{number}",
                rank=f"{rng.randrange(20):020d}|é",
                mixture=f"{rng.randrange(3):02d}",
                text_key=f"2026-01 {identity.make_key('text', str(rng.randrange(COUNT)))}",
                image_key=identity.make_key("image", str(rng.randrange(COUNT))),
                images=tuple(f"http://example.org/{rng.randrange(50)}.jpg" for _ in range(3)),
                bands=tuple(identity.make_key("band", str(rng.randrange(COUNT))) for _ in range(rng.randrange(3))),
                paragraphs=tuple(identity.make_key("p", str(rng.randrange(90))) for _ in range(rng.randrange(4))),
                tokens=tuple(identity.make_key("t", str(rng.randrange(300))) for _ in range(rng.randrange(6))),
                scores={"images": float(rng.randrange(4)), "url_words": 1.0} if rng.random() < 0.9 else {},
            )
        )
    twins = [dataclasses.replace(row, url=f"{row.url}?b") for row in made[:30]]
    return [*made, *twins, *made[30:40]]


def fragments(folder: Path, unit: str) -> list[str]:
    """Write the heads, shuffled, as fragments of odd sizes; return their paths."""
    rows = heads(unit)
    random.Random(1).shuffle(rows)
    return write_fragments(rows, folder)


def recipes() -> Iterator[Recipe]:
    """Yield recipes that together have every step, and one in which two kept heads may share a graph node."""
    obelics = load_recipe("obelics")
    yield obelics
    yield dataclasses.replace(obelics, dedup=dataclasses.replace(obelics.dedup, exact_url=False, exact_text=None))
    yield load_recipe("align", ["filters.captions.most_frequent_tokens=290"])


@pytest.mark.parametrize("recipe", list(recipes()), ids=["obelics", "nodes", "align"])
def test_one_machine_decides_as_an_engine_does(recipe: Recipe, tmp_path: Path) -> None:
    steps = kind_of(recipe).steps(recipe)
    paths = fragments(tmp_path, "page" if recipe.kind == "interleaved" else "pair")
    expected = on_an_engine(paths, steps, tmp_path / "engine")
    assert {row.outcome for row in expected} == {"kept", "rejected"}
    assert on_one_machine(paths, steps, tmp_path / "one") == expected
    small = {"passes": 3, "rows_at_once": 50, "partition_bytes": 4_000}
    assert on_one_machine(paths, steps, tmp_path / "passes", **small) == expected
