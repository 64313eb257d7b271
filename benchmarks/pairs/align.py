"""ALIGN's rules for texts (arXiv 2102.05918, section 3): our stages against the same rules written plainly in pandas.

Both get the same image URLs and texts and must keep the same pairs. pandas holds all columns in memory. Ours makes each
pair with its key, scores and head, writes both to disk, counts by partitions of bounded memory, and writes a decision
for each pair; so its time has parts that pandas lacks. Three rows tell them apart: the select stage, which counts and
judges; both stages; both with the detection of languages, which ALIGN's text rules do not have.
"""

import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from pathlib import Path
from unittest import mock

import pandas as pd
import pyarrow.compute as pc

from benchmarks.bounded_rows import Row
from benchmarks.pairs.alternating import Seconds, alternate
from benchmarks.pairs.config import PairsConfig
from benchmarks.pairs.made_texts import make_texts, make_words
from corpusloom.pipelines.extract.caption_cleaning import clean_caption
from corpusloom.pipelines.recipes.recipe import Recipe, load_recipe
from corpusloom.pipelines.stages.extract.input_fragments import FragmentWriter
from corpusloom.pipelines.stages.kinds import pairs
from corpusloom.pipelines.stages.select import local
from corpusloom.pipelines.stages.select.steps import pair_steps
from corpusloom.schemas import identity, tables
from corpusloom.schemas.records import Pair

TEXTS, WORDS = 20_000, 50_000
SHARED, SHARE = 1_000, 0.3
"""Texts that several images have, and the share of pairs with one of them."""
MOST_TOKENS = 150_000
"""Unigrams and bigrams that count as frequent: ALIGN's 100 million would reject no text of so small a set."""


def make_rows(rng: random.Random) -> list[tuple[str, str]]:
    """Return (image URL, text): every image has several texts or one, 30 % of the texts are shared."""
    texts = make_texts(make_words(WORDS, rng), TEXTS, rng)
    return [
        (
            f"https://site{rng.randrange(500)}.example/{rng.randrange(TEXTS)}.jpg",
            rng.choice(texts[:SHARED]) if rng.random() < SHARE else text,
        )
        for text in texts
    ]


def in_pandas(rows: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the (image URL, text) that the rules keep, each once."""
    frame = pd.DataFrame(rows, columns=["image", "text"])
    words = frame.text.str.lower().str.split()
    lengths = words.str.len()
    images = frame.groupby("text").image.transform("nunique")
    texts = frame.groupby("image").text.transform("nunique")
    tokens = words.map(lambda found: found + [" ".join(pair) for pair in pairwise(found)]).explode()
    ranks = tokens.value_counts().rank(method="max", ascending=False)
    rarest = tokens.map(ranks).groupby(level=0).max()
    kept = (lengths >= 3) & (lengths <= 20) & (images <= 10) & (texts <= 1_000) & (rarest <= MOST_TOKENS)
    return set(frame[kept].drop_duplicates().itertuples(index=False, name=None))


def extract(rows: Sequence[tuple[str, str]], recipe: Recipe, folder: Path, *, tells_language: bool) -> list[str]:
    """Write pairs and heads as the extract stage does; return the paths of the heads."""
    writer = FragmentWriter(str(folder), Pair, "rows")
    told: AbstractContextManager[object] = nullcontext()
    if not tells_language:
        told = mock.patch.object(pairs, "measure_language", return_value=("en", 1.0))
    with told:
        for url, text in rows:
            writer.add([pairs.make_pair(url, clean_caption(text), "caption", "", "", recipe)])
    writer.flush()
    return sorted(map(str, (folder / "candidates").iterdir()))


def select(heads: Sequence[str], recipe: Recipe) -> set[str]:
    """Return the keys of the pairs that the select stage keeps."""
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryDirectory() as out:
        local.select(heads, pair_steps(recipe), out, scratch=scratch)
        decided = [tables.read_table(str(path), ["key", "outcome"]) for path in Path(out).iterdir()]
    return {key for table in decided for key in table.filter(pc.field("outcome") == "kept")["key"].to_pylist()}


def both_stages(rows: Sequence[tuple[str, str]], recipe: Recipe, *, tells_language: bool) -> set[str]:
    """Return the keys of the pairs that both stages keep."""
    with tempfile.TemporaryDirectory() as name:
        return select(extract(rows, recipe, Path(name), tells_language=tells_language), recipe)


def rows(config: PairsConfig) -> Iterator[Row]:
    """Yield the rates of ours over that of pandas."""
    recipe = load_recipe("align", [f"filters.captions.most_frequent_tokens={MOST_TOKENS}", "filters.language=off"])
    made = make_rows(random.Random(config.rng_seed))
    with tempfile.TemporaryDirectory() as name:
        heads = extract(made, recipe, Path(name), tells_language=False)
        expected = {identity.pair_key(url, text) for url, text in in_pandas(made)}
        assert select(heads, recipe) == expected, "ours and pandas keep different pairs"
        times = alternate(
            {
                "pandas": lambda: in_pandas(made),
                "select": lambda: select(heads, recipe),
                "both": lambda: both_stages(made, recipe, tells_language=False),
                "language": lambda: both_stages(made, recipe, tells_language=True),
            },
            config.rounds,
        )
    names = {"select": "counts and rules", "both": "pairs, counts and rules", "language": "the same with languages"}
    kept = f"{len(expected):,} of {TEXTS:,} kept by both"
    for side, title in names.items():
        yield Row(f"ALIGN's text rules / pandas: {title}", *_ratio(times, side), kept)


def _ratio(times: dict[str, Seconds], side: str) -> tuple[float, float, float, bool]:
    return times["pandas"].cpu / times[side].cpu, 2.0, 5.0, False
