"""Builds every recipe of pairs on the bundled web and writes their funnels into docs/recipes.md, beside the papers'.

`python -m benchmarks.pairs.funnels docs/recipes.md` rewrites the tables between two markers. Recipes that need a list
get one of the bundled web: its hosts as sites, the words for its shapes as entries.
"""

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from corpusloom.pipelines.builds import build
from corpusloom.pipelines.builds.config import BuildConfig
from corpusloom.pipelines.demo import drawing
from corpusloom.pipelines.demo.resources import World
from corpusloom.pipelines.demo.server import serve
from corpusloom.pipelines.demo.sites import build_world
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.recipes.recipe import Recipe, load_recipe, recipe_names
from corpusloom.pipelines.stages.scrape.scrape import scrape
from corpusloom.pipelines.stages.scrape.scrape_lane import ScrapeConfig
from corpusloom.schemas.records import StageCounts

START, END = "<!-- funnels: made by benchmarks.pairs.funnels -->\n", "<!-- end of funnels -->\n"
PORT = 8766
"""Port of the web whose funnels the documentation has."""
QUIET = Reporter(quiet=True)
STAGES = {"extract": "candidates", "select": "texts kept", "shards": "samples"}
PUBLISHED: Mapping[str, str] = {
    "align": "1.8 billion kept; the raw set is not counted (§3)",
    "wit": "400 million kept (CLIP §2.2); half of the English pairs have an entry; 1.6 billion pairs with 5.6 billion "
    "matches become 400 million (MetaCLIP §3)",
    "cc3m": "over 5 billion images; over 65 % fail the image rules, 3 % of the texts pass, 60 % fail the labels: 0.2 % "
    "are left, then 3.3 million (§3)",
    "cc12m": "12,423,374 kept (§2)",
    "ltip": "312 million kept (Flamingo A.3.3)",
}  # fmt: skip
MOST_PAIRS = 10
"""t of `wit` here: 20,000 would balance nothing of so small a web."""


@dataclass(frozen=True, slots=True)
class Funnel:
    """The numbers of pairs that the stages of a recipe's build kept."""

    recipe: str
    kept: Mapping[str, int]
    """Stage -> pairs that it kept; the candidates are those of extract."""
    reasons: Mapping[str, int]
    """Reason -> pairs that were rejected for it, in any stage."""


ANY_WORD = "filters.captions.min_token_occurrences=off"
"""In a small corpus most words are rare."""


def needed_keys(world: World, folder: Path) -> Mapping[str, Sequence[str]]:
    """Return recipe -> the keys that a user sets, with lists of the bundled web."""
    entries = folder / "entries.txt"
    words = sorted({word for name in drawing.classes() for word in name.split()})
    entries.write_text("".join(f"{word}\n" for word in words), "utf-8")
    return {
        "wit": (f"filters.entries.metadata={entries}", f"filters.entries.max_pairs={MOST_PAIRS}"),
        "ltip": (f"filters.sites.domains={json.dumps(world.hosts)}",),
        "cc12m": (ANY_WORD,),
        "cc3m": (ANY_WORD, "filters.conceptual.min_hypernym_captions=off"),
    }


def pair_recipes() -> list[str]:
    """Return the names of the recipes of pairs that ship."""
    return [name for name in recipe_names() if load_recipe(name).kind == "pairs"]


def funnel_of(recipe: Recipe, counts: Sequence[StageCounts]) -> Funnel:
    """Return the funnel of a build's counts of pairs."""
    rows = [row for row in counts if row.unit == "pair"]
    reasons = Counter[str]()
    for row in rows:
        reasons.update({**row.rejected, **row.dead})
    return Funnel(recipe.name, {row.stage: row.kept for row in rows}, reasons)


def build_funnels(
    names: Sequence[str], folder: Path, *, pages: int = 3, pictures: int = 4, port: int = 0
) -> Iterator[Funnel]:
    """Scrape a bundled web of this size once, build each recipe from it, and yield its funnel.

    The port is part of the URLs, and so of the keys from which pairs are drawn; 0 is any free one.
    """
    world = build_world(pages=pages, pictures=pictures, exam_pages=1)
    keys = needed_keys(world, folder)
    with serve(world, port) as server:
        network = f"127.0.0.0/8:{server.port}"
        fetch = FetchConfig(contact="https://corpusloom.example/funnels", allow_addresses=(network,), delay=0)
        (folder / "seeds.txt").write_text("\n".join(world.seed_urls(server.port)), "utf-8")
        scrape(ScrapeConfig(seeds=str(folder / "seeds.txt"), out=str(folder / "crawl"), fetch=fetch), QUIET)
        for name in names:
            recipe = load_recipe(name, keys.get(name, ()))
            config = BuildConfig(
                recipe=recipe,
                out=str(folder / name),
                work=str(folder / "work"),
                store=str(folder / "store"),
                warcs=(str(folder / "crawl"),),
                fetch=fetch,
                workers=0,
            )
            manifest = build.build(config, QUIET).manifest
            assert manifest is not None
            yield funnel_of(recipe, manifest.counts)


def markdown(funnels: Sequence[Funnel]) -> str:
    """Return the funnels as tables in Markdown."""
    lines = [f"| recipe | {' | '.join(STAGES.values())} | published |", "| --- " * (len(STAGES) + 2) + "|"]
    for funnel in funnels:
        numbers = " | ".join(f"{funnel.kept.get(stage, 0):,}" for stage in STAGES)
        lines.append(f"| `{funnel.recipe}` | {numbers} | {PUBLISHED.get(funnel.recipe, 'no counts')} |")
    lines += ["", "| recipe | pairs by reason |", "| --- | --- |"]
    for funnel in funnels:
        ranked = sorted(funnel.reasons.items(), key=lambda item: (-item[1], item[0]))
        named = ", ".join(f"`{reason}` {count:,}" for reason, count in ranked)
        lines.append(f"| `{funnel.recipe}` | {named} |")
    return "\n".join(lines) + "\n"


def with_funnels(page: str, funnels: Sequence[Funnel]) -> str:
    """Return a page of Markdown with the tables replaced between their markers."""
    before, _, rest = page.partition(START)
    return f"{before}{START}{markdown(funnels)}{END}{rest.partition(END)[2]}"


def main(path: str) -> None:
    """Rewrite the tables in the Markdown file at `path`."""
    with tempfile.TemporaryDirectory(prefix="loom-funnels-") as name:
        funnels = list(build_funnels(pair_recipes(), Path(name), port=PORT))
    page = Path(path)
    page.write_text(with_funnels(page.read_text("utf-8"), funnels), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
