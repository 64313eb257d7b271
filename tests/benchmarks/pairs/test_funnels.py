"""Funnels of the recipes of pairs: the counts are those of the bundled pages read without our code."""

import re
from collections import defaultdict
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from benchmarks.pairs import funnels
from benchmarks.pairs.funnels import Funnel, build_funnels, funnel_of, markdown, pair_recipes, with_funnels
from corpusloom.pipelines.demo import drawing
from corpusloom.pipelines.demo.sites import build_world
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.schemas.records import StageCounts

FUNNEL = Funnel("wit", {"extract": 1_200, "select": 3, "shards": 2}, {"no_entry": 1_190, "a": 7, "b": 7})
OPTED_OUT = ("noai", "robots")


def texts_of_images() -> dict[str, set[tuple[str, str]]]:
    """Return alt text -> the images (host, address) with it, on pages of the small bundled web that may be used."""
    images = defaultdict(set)
    world = build_world(pages=1, pictures=2, exam_pages=1)
    for page in world.pages:
        if page.host == "exam.localhost" or page.kind in OPTED_OUT:
            continue
        for img in BeautifulSoup(world.resources[page.host, page.path].body, "html.parser").find_all("img"):
            if img.get("alt"):
                address = img.get("data-src") or img["src"]  # an image that loads late stands twice in its page
                images[img["alt"]].add((page.host, address.removesuffix("?w=160")))
    return images


def test_align_and_wit_keep_the_pairs_that_plain_loops_keep(tmp_path: Path) -> None:
    align, wit = build_funnels(["align", "wit"], tmp_path, pages=1, pictures=2)
    images = texts_of_images()
    words = {word for name in drawing.classes() for word in name.split()}
    short = {text: found for text, found in images.items() if len(text.split()) < 3}
    shared = {text: found for text, found in images.items() if len(found) > 10 and text not in short}
    assert max(len(text.split()) for text in images) <= 20
    left = sum(len(found) for text, found in images.items() if text not in {*short, *shared})
    assert align.kept["select"] == left > 20
    assert align.reasons["text_of_many_images"] == sum(map(len, shared.values())) > 10
    with_entry = {text: found for text, found in images.items() if words & set(re.sub("[,.]", " ", text).split())}
    assert wit.kept["select"] == sum(map(len, with_entry.values())) > 20
    for funnel in (align, wit):
        assert funnel.kept["extract"] - funnel.kept["shards"] == sum(funnel.reasons.values())


def test_a_funnel_has_the_pairs_alone() -> None:
    counts = [
        StageCounts(stage="extract", unit="record", records_in=9, kept=8),
        StageCounts(stage="extract", unit="pair", records_in=20, kept=20),
        StageCounts(stage="select", unit="pair", records_in=20, kept=12, rejected={"language": 8}),
        StageCounts(stage="images", unit="image", records_in=9, kept=5, dead={"http_404": 4}),
        StageCounts(stage="shards", unit="pair", records_in=12, kept=5, rejected={"language": 1}, dead={"http_404": 6}),
    ]
    found = funnel_of(load_recipe("align"), counts)
    assert found == Funnel("align", {"extract": 20, "select": 12, "shards": 5}, {"language": 9, "http_404": 6})


def test_tables_name_the_commonest_reason_first_and_stand_between_the_markers() -> None:
    lines = markdown([FUNNEL]).splitlines()
    assert lines[2].startswith("| `wit` | 1,200 | 3 | 2 | 400 million kept")
    assert lines[-1] == "| `wit` | `no_entry` 1,190, `a` 7, `b` 7 |"
    page = f"before\n{funnels.START}old\n{funnels.END}after\n"
    assert with_funnels(page, [FUNNEL]) == f"before\n{funnels.START}{markdown([FUNNEL])}{funnels.END}after\n"


@pytest.mark.parametrize("name", pair_recipes())
def test_every_recipe_of_pairs_has_its_row_in_the_docs(name: str) -> None:
    page = (Path(__file__).parents[3] / "docs" / "recipes.md").read_text("utf-8")
    tables = page.partition(funnels.START)[2].partition(funnels.END)[0]
    assert len(re.findall(rf"^\| `{name}` \|", tables, re.MULTILINE)) == 2
