"""Matching and balancing against MetaCLIP's published loops (arXiv 2309.16671, section 3, Algorithm 1).

The loops look for each entry in each text, count the texts of each entry, and keep a text if a draw of one of its
entries is below t / count. They take their draws from our hash instead of a random generator, so that both must have
the same counts and keep the same pairs. Ours are the heads of pairs and the select stage.
"""

import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.bounded_rows import Row
from benchmarks.pairs import align
from benchmarks.pairs.config import PairsConfig
from benchmarks.pairs.made_texts import make_entries, make_texts, make_words
from corpusloom.pipelines.filters.pairs.entries import draw, entry_keys
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.schemas import identity, tables

TEXTS, WORDS, ENTRIES, MOST_PAIRS = 5_000, 2_000, 3_000, 5


def counted(rows: Sequence[tuple[str, str]], entries: Sequence[str]) -> tuple[list[list[int]], Counter[int]]:
    """Return the numbers of each text's entries, and how many texts have each entry."""
    matched = [[number for number, entry in enumerate(entries) if f" {entry} " in f" {text} "] for _, text in rows]
    return matched, Counter(number for found in matched for number in found)


def kept_by_loops(rows: Sequence[tuple[str, str]], entries: Sequence[str]) -> set[str]:
    """Return the keys of the pairs that the published loops keep, given our draws."""
    keys = entry_keys(entries, "")
    matched, counts = counted(rows, entries)
    kept = set()
    for (url, text), found in zip(rows, matched, strict=True):
        pair = identity.pair_key(url, text)
        for number in found:
            probability = min(1.0, MOST_PAIRS / counts[number])
            if draw(pair, keys[number], 1, 0) < probability:
                kept.add(pair)
                break
    return kept


def counted_in(heads: Sequence[str]) -> Counter[str]:
    """Return key of an entry -> the number of heads that have it."""
    columns = (tables.read_table(path, ["entries"])["entries"] for path in heads)
    return Counter(key for column in columns for found in column.to_pylist() for key in found)


def rows(config: PairsConfig) -> Iterator[Row]:
    """Yield the number of entries whose counts differ, and of pairs that only one side keeps."""
    rng = random.Random(config.rng_seed)
    words = make_words(WORDS, rng)
    made = [(f"https://site.example/{n}.jpg", text) for n, text in enumerate(make_texts(words, TEXTS, rng))]
    entries = make_entries(words, [text for _, text in made], rng, number=ENTRIES, matches=3.5)
    with tempfile.TemporaryDirectory() as name:
        metadata = Path(name, "entries.txt")
        metadata.write_text("\n".join(entries), "utf-8")
        changes = [f"filters.entries.metadata={metadata}", f"filters.entries.max_pairs={MOST_PAIRS}"]
        recipe = load_recipe("wit", [*changes, "filters.language=off"])
        heads = align.extract(made, recipe, Path(name), tells_language=False)
        ours, counts = align.select(heads, recipe), counted_in(heads)
    loops = kept_by_loops(made, entries)
    keys = entry_keys(entries, "")
    by_loops = Counter({keys[number]: count for number, count in counted(made, entries)[1].items()})
    frequent = sum(count > MOST_PAIRS for count in by_loops.values())
    note = f"{len(by_loops):,} entries with a match, {frequent:,} above t = {MOST_PAIRS}"
    wrong = sum(counts[key] != by_loops[key] for key in keys)
    yield Row("MetaCLIP: entries with another count", wrong, 0, 0, True, note)
    note = f"{len(loops):,} of {TEXTS:,} pairs kept"
    yield Row("MetaCLIP: pairs that one side alone keeps", len(ours ^ loops), 0, 0, True, note)
