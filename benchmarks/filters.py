"""Measures the CPU time of each text filter on one page of about 4 KB.

python -m benchmarks.filters
"""

import random
import time
import timeit
from collections.abc import Callable
from dataclasses import replace

from benchmarks.parity_datatrove import paragraph
from corpusloom.pipelines.dedup.minhash import MinHashConfig, text_band_keys
from corpusloom.pipelines.filters.language import measure_language
from corpusloom.pipelines.recipes.measuring import measure_page, page_text
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.schemas.records import Block, Page


def milliseconds(work: Callable[[], object]) -> float:
    """Return the process CPU milliseconds of one call: the best of 20 rounds of 20 calls."""
    return min(timeit.repeat(work, number=20, repeat=20, timer=time.process_time)) / 20 * 1e3


def main() -> None:
    """Print one line per part."""
    rng = random.Random(1)
    blocks = tuple(Block(kind="paragraph", text=paragraph(rng)) for _ in range(12))
    page = Page(key="k", url="u", canonical_url="u", fetched_at="", blocks=blocks)
    known = replace(page, language="en", scores={"language_score": 0.9})
    text, recipe = page_text(blocks), load_recipe("m3w")
    print(f"a page of {len(text)} characters, {len(text.split())} words")
    parts: dict[str, Callable[[], object]] = {
        "all filters": lambda: measure_page(page, recipe),
        "all but language": lambda: measure_page(known, recipe),
        "language": lambda: measure_language(text),
        "MinHash band keys": lambda: text_band_keys(text, MinHashConfig()),
    }
    for name, work in parts.items():
        work()
        print(f"{name}: {milliseconds(work):.2f} ms")


if __name__ == "__main__":
    main()
