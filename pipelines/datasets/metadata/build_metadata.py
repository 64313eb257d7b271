"""Builds the list of entries that WIT's pairs are matched with, by MetaCLIP's rules (arXiv 2309.16671, Table 1).

Entries are added in this order, the first occurrence wins: the numbers 0 to 99, names of WordNet's synsets, frequent
unigrams, bigrams of high mutual information, titles with many views. `worldwide` has the limits of MetaCLIP 2 (arXiv
2507.22062; metaclip/metadata/build_metadata.py) in place of those on occurrences and views, for one language at a time.
"""

import hashlib
import json
import math
import os
import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import pyarrow.compute as pc

from corpusloom.pipelines.datasets.metadata import ngrams, wordnet
from corpusloom.pipelines.datasets.metadata.corpus import find_files
from corpusloom.pipelines.datasets.metadata.ngrams import FileCounts
from corpusloom.pipelines.datasets.metadata.titles import read_titles
from corpusloom.pipelines.store.partitions import scratch_folder
from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError

NUMBERS = tuple(map(str, range(100)))
LONGEST = 256
"""Characters of an entry, at most (MetaCLIP 2)."""
WORLDWIDE_WORDS, MOST_WORDS = 0.1, 251_465
"""Share of a language's different unigrams, and unigrams, that become entries at most (MetaCLIP 2)."""
MOST_BIGRAMS = 100_646
WORLDWIDE_TITLES, MOST_TITLES = 0.76, 61_235


@dataclass(frozen=True, kw_only=True, slots=True)
class MetadataConfig:
    """Sources and thresholds of a list of entries."""

    out: str
    """File to write: one entry per line; OUT.json names its sources."""
    texts: tuple[str, ...] = ()
    """Files, globs or folders of the corpus."""
    text_column: str = "text"
    wordnet: str | None = None
    """Folder of WordNet's data files."""
    titles: str | None = None
    """List of titles with their views."""
    min_occurrences: int = 100
    min_information: float = 30.0
    min_views: int = 70
    worldwide: bool = False
    workers: int = 0

    def __post_init__(self) -> None:
        if self.out.endswith(".json"):
            raise ConfigError(f"{self.out} would be read as JSON", where="--out", remedy="name it entries.txt")
        if not (self.texts or self.wordnet or self.titles):
            raise ConfigError("no source of entries", remedy="give texts, --wordnet or --titles")


@dataclass(kw_only=True, slots=True)
class Metadata:
    """A list of entries and its sources, as OUT.json holds them."""

    entries: int = 0
    sha256: str = ""
    """Hash of the file of entries."""
    added: dict[str, int] = field(default_factory=dict)
    """Source -> entries that it added."""
    offered: dict[str, int] = field(default_factory=dict)
    """Source -> entries that its threshold or limit let through, some of which earlier sources had."""
    texts: int = 0
    tokens: int = 0
    unigrams: int = 0
    """Different unigrams of the corpus."""
    information_bound: float | None = None
    """log2 of the number of tokens: no bigram has a higher mutual information."""
    inputs: dict[str, str] = field(default_factory=dict)
    """Path -> sha256 of each file that was read."""
    settings: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class EntryList:
    """Entries in the order in which they were added."""

    found: Metadata
    entries: dict[str, None] = field(default_factory=dict)

    def add(self, source: str, candidates: Iterable[str], most: int | None = None) -> None:
        """Add candidates that are new, at most `most` of them; empty, overlong and those of marks alone are none."""
        offered = added = 0
        for candidate in candidates:
            if added == most:
                break
            entry = candidate.strip()
            if not entry or len(entry) > LONGEST or ngrams.MARKS.issuperset(entry):
                continue
            offered += 1
            added += entry not in self.entries
            self.entries[entry] = None
        self.found.offered[source], self.found.added[source] = offered, added


def build_metadata(config: MetadataConfig) -> Metadata:
    """Write the list of entries and its provenance; return the latter."""
    paths = find_files(config.texts) if config.texts else []
    read = [*paths, *(wordnet.synset_files(config.wordnet) if config.wordnet else ())]
    read += [config.titles] if config.titles else []
    found = Metadata(inputs={path: storage.hash_file(path)[0] for path in read})
    found.settings = {name: value for name, value in asdict(config).items() if name not in ("out", "workers")}
    listed = EntryList(found)
    listed.add("numbers", NUMBERS)
    if config.wordnet:
        listed.add("wordnet", dict.fromkeys(wordnet.synset_names(config.wordnet)))
    if paths:
        with scratch_folder(posixpath.dirname(config.out) or ".") as scratch:
            _add_ngrams(listed, paths, config, scratch)
    if config.titles:
        titles = read_titles(config.titles)
        least = 0 if config.worldwide else config.min_views
        most = min(MOST_TITLES, int(WORLDWIDE_TITLES * len(titles))) if config.worldwide else None
        ranked = sorted(((views, title) for title, views in titles.items() if views >= least), key=_highest_first)
        listed.add("titles", (title for _, title in ranked), most)
    content = "".join(f"{entry}\n" for entry in listed.entries).encode()
    found.entries, found.sha256 = len(listed.entries), hashlib.sha256(content).hexdigest()
    storage.write_bytes(config.out, content)
    storage.write_bytes(f"{config.out}.json", f"{json.dumps(asdict(found), indent=2, sort_keys=True)}\n".encode())
    return found


def _add_ngrams(listed: EntryList, paths: Sequence[str], config: MetadataConfig, scratch: str) -> None:
    """Add the unigrams and bigrams of a corpus."""
    found, partitions = listed.found, ngrams.partitions_of(sum(map(storage.size, paths)))
    counts = ngrams.count_files(paths, config.text_column, scratch, partitions=partitions, workers=config.workers)
    words_of_count = Counter[int]()
    for partition in range(partitions):
        values = ngrams.merged_words(counts, partition)["count"]
        words_of_count.update(values.to_pylist())
    found.texts = sum(each.texts for each in counts)
    found.unigrams = words_of_count.total()
    found.tokens = sum(count * words for count, words in words_of_count.items())
    most = min(MOST_WORDS, int(WORLDWIDE_WORDS * found.unigrams)) if config.worldwide else None
    least = config.min_occurrences if most is None else _cut(words_of_count, most + len(listed.entries))
    words = sorted(_words(counts, partitions, least), key=_highest_first)
    listed.add("unigrams", (word for _, word in words), most)
    if not found.tokens:
        return
    found.information_bound = round(math.log2(found.tokens), 3)
    os.makedirs(scratch, exist_ok=True)
    bigrams = ngrams.informative_bigrams(
        counts, scratch, partitions=partitions, total=found.tokens, least=config.min_information
    )
    ranked = sorted(((bigram.information, bigram.text) for bigram in bigrams), key=_highest_first)
    listed.add("bigrams", (text for _, text in ranked), MOST_BIGRAMS if config.worldwide else None)


def _highest_first(ranked: tuple[float, str]) -> tuple[float, str]:
    return -ranked[0], ranked[1]


def _cut(words_of_count: Counter[int], number: int) -> int:
    """Return the highest count that at least `number` words reach; 1 if there are fewer words."""
    reached = 0
    for count in sorted(words_of_count, reverse=True):
        reached += words_of_count[count]
        if reached >= number:
            return count
    return 1


def _words(counts: Sequence[FileCounts], partitions: int, least: int) -> Iterator[tuple[int, str]]:
    """Yield (count, word) of each word with at least `least` occurrences."""
    for partition in range(partitions):
        table = ngrams.merged_words(counts, partition)
        table = table.filter(pc.field("count") >= least)
        yield from zip(np.asarray(table["count"]).tolist(), table["word"].to_pylist(), strict=True)
