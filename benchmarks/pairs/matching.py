"""Entries found in captions: our matcher against ahocorasick-rs alone.

500,000 entries, and captions of which each has 3.5 entries on average, as MetaCLIP counts them (arXiv 2309.16671,
section 3.2). ahocorasick-rs alone gets texts that already have blanks around their marks, and returns places of
matches; the matcher also spaces the texts and returns the different entries of each.
"""

import random
from collections.abc import Iterator

from ahocorasick_rs import AhoCorasick

from benchmarks.bounded_rows import Row
from benchmarks.pairs.alternating import alternate
from benchmarks.pairs.config import PairsConfig
from benchmarks.pairs.made_texts import make_entries, make_texts, make_words
from corpusloom.pipelines.filters.pairs.entry_matching import EntryMatcher, spaced

ENTRIES, WORDS, TEXTS = 500_000, 250_000, 50_000
MATCHES = 3.5


def rows(config: PairsConfig) -> Iterator[Row]:
    """Yield the texts per CPU second of the matcher, and its rate over that of ahocorasick-rs alone."""
    rng = random.Random(config.rng_seed)
    words = make_words(WORDS, rng)
    texts = make_texts(words, TEXTS, rng)
    entries = make_entries(words, texts, rng, number=ENTRIES, matches=MATCHES)
    matcher = EntryMatcher(tuple(entries))
    alone = AhoCorasick([f" {entry} " for entry in entries])
    ready = [spaced(text) for text in texts]

    def search(text: str) -> list[tuple[int, int, int]]:
        return alone.find_matches_as_indexes(text, overlapping=True)

    for text, with_blanks in zip(texts, ready, strict=True):
        assert set(matcher.find(text)) == {entries[number] for number, _, _ in search(with_blanks)}
    times = alternate(
        {"ours": lambda: [matcher.find(text) for text in texts], "alone": lambda: [search(text) for text in ready]},
        config.rounds,
    )
    ours, theirs = times["ours"], times["alone"]
    mean = sum(len(search(text)) for text in ready) / TEXTS
    note = f"{ENTRIES:,} entries, {mean:.2f} matches per text; {TEXTS / ours.wall:,.0f} per second"
    yield Row("MetaCLIP matching, texts per CPU s", TEXTS / ours.cpu, 50_000, 50_000, False, note)
    note = f"alone {TEXTS / theirs.cpu:,.0f} per CPU s"
    yield Row("MetaCLIP matching / ahocorasick-rs alone", theirs.cpu / ours.cpu, 0.5, 0.8, False, note)
