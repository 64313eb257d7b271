"""Unigrams and bigrams of a corpus with their counts, and the bigrams' mutual information, in bounded memory.

Tokens are those of MetaCLIP 2 (metaclip/metadata/build_ngram.py): markup goes, punctuation marks and characters of
scripts without blanks are tokens of their own, case stays. A mark is neither a unigram nor part of a bigram.

Each file is counted in pieces that are written to partitions by the hash of a word; Dask counts several files at a
time. Bigrams are then joined with the counts of their first words, divided again, and joined with those of their second
words, so that memory holds one partition at a time.
"""

import os
import re
import string
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dask
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from dask.delayed import delayed
from numpy.typing import NDArray

from corpusloom.pipelines.datasets.metadata.corpus import read_texts
from corpusloom.pipelines.store.partitions import PartitionedRows

PIECE_TOKENS = 400_000
"""Tokens that are counted in memory before their counts are written."""
PARTITION_BYTES = 64 << 20
MAX_PARTITIONS = 1_024
_WIDE_MARKS = "，。、；：？¿！“”‘’（）【】《》〈〉「」『』～—"
MARKS = frozenset(string.punctuation + _WIDE_MARKS)
_NO_BLANKS = (
    "\u0e00-\u0eff\u0f00-\u109f\u1780-\u17ff\u2e80-\u2fff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002ceaf"
)
"""Characters of Thai, Lao, Tibetan, Burmese, Khmer and Chinese."""
_MARKUP = re.compile(r"&lt;.*?&gt;|<.*?>")
_CLASS = re.escape("".join(sorted(MARKS)))
_TOKEN = re.compile(rf"[{_CLASS}{_NO_BLANKS}]|[^\s{_CLASS}{_NO_BLANKS}]+")
WORDS = pa.schema([("word", pa.string()), ("count", pa.int64())])
PAIRS = pa.schema([("first", pa.string()), ("second", pa.string()), ("count", pa.int64())])
_JOINED = PAIRS.append(pa.field("first_count", pa.int64()))


def tokens(text: str) -> list[str]:
    """Return the tokens of a text in order, marks included."""
    return list(_TOKEN.findall(_MARKUP.sub("", text)))


@dataclass(frozen=True, slots=True)
class FileCounts:
    """Counts of one file, in pieces on disk; the same word or bigram may be in several pieces."""

    words: PartitionedRows
    pairs: PartitionedRows
    """Bigrams, divided by their first words."""
    texts: int


@dataclass(frozen=True, slots=True)
class Bigram:
    """A bigram with its count and its pointwise mutual information."""

    text: str
    count: int
    information: float
    """log2(count of both · tokens / (count of the first · count of the second)), rounded to 9 digits."""


def partitions_of(size: int) -> int:
    """Return the number of partitions for a corpus of this number of bytes."""
    return min(MAX_PARTITIONS, 1 + size // PARTITION_BYTES)


def count_files(
    paths: Sequence[str], column: str, scratch: str, *, partitions: int, workers: int
) -> tuple[FileCounts, ...]:
    """Count every file, `workers` at a time, each in a process of its own if there are several."""
    tasks = [
        delayed(count_file)(path, column, os.path.join(scratch, str(number)), partitions)
        for number, path in enumerate(paths)
    ]
    several = workers > 1 and len(tasks) > 1
    scheduled = {"scheduler": "processes", "num_workers": workers} if several else {"scheduler": "synchronous"}
    return tuple(dask.compute(*tasks, **scheduled))


def count_file(path: str, column: str, folder: str, partitions: int) -> FileCounts:
    """Count the unigrams and bigrams of a file, and write the counts below a folder."""
    words = PartitionedRows(os.path.join(folder, "words"), WORDS, partitions)
    pairs = PartitionedRows(os.path.join(folder, "pairs"), PAIRS, partitions)
    unigrams, bigrams = Counter[str](), Counter[tuple[str, str]]()
    texts = held = 0

    def spill() -> None:
        table = pa.table([list(unigrams), list(unigrams.values())], schema=WORDS)
        words.add(table, _parts(list(unigrams), partitions))
        firsts = [first for first, _ in bigrams]
        table = pa.table([firsts, [second for _, second in bigrams], list(bigrams.values())], schema=PAIRS)
        pairs.add(table, _parts(firsts, partitions))
        unigrams.clear()
        bigrams.clear()

    for text in read_texts(path, column):
        texts += 1
        before = ""
        for token in tokens(text):
            if token in MARKS:
                before = ""
                continue
            unigrams[token] += 1
            if before:
                bigrams[before, token] += 1
            before, held = token, held + 1
        if held >= PIECE_TOKENS:
            spill()
            held = 0
    spill()
    words.flush()
    pairs.flush()
    return FileCounts(words, pairs, texts)


def _parts(words: Sequence[str], partitions: int) -> NDArray[np.int64]:
    """Return the partition of each word."""
    return np.array([zlib.crc32(word.encode("utf-8", "replace")) % partitions for word in words], dtype=np.int64)


def merged_words(counts: Sequence[FileCounts], partition: int) -> pa.Table:
    """Return each word of a partition with its count over all files: columns word and count."""
    table = pa.concat_tables([each.words.read(partition) for each in counts])
    return table.group_by("word").aggregate([("count", "sum")]).rename_columns(["word", "count"])


def informative_bigrams(
    counts: Sequence[FileCounts], scratch: str, *, partitions: int, total: int, least: float
) -> Iterator[Bigram]:
    """Yield the bigrams with a mutual information of `least` or more, in no particular order.

    NLTK's BigramAssocMeasures.pmi, which MetaCLIP uses, has logarithms to base 2 and the number of unigrams as N.
    """
    by_second = PartitionedRows(os.path.join(scratch, "by-second"), _JOINED, partitions)
    for partition in range(partitions):
        table = pa.concat_tables([each.pairs.read(partition) for each in counts])
        table = table.group_by(["first", "second"]).aggregate([("count", "sum")])
        joined = _with_count(table.rename_columns(PAIRS.names), "first", merged_words(counts, partition))
        by_second.add(joined.cast(_JOINED), _parts(joined["second"].to_pylist(), partitions))
    for partition in range(partitions):
        table = _with_count(by_second.read(partition), "second", merged_words(counts, partition))
        both, first, second = (np.asarray(table[name]) for name in ("count", "first_count", "second_count"))
        values = np.round(np.log2(both.astype(float) * total) - np.log2(first.astype(float) * second), 9)
        kept = table.append_column("information", pa.array(values)).filter(pc.field("information") >= least)
        for row in kept.select(["first", "second", "count", "information"]).to_pylist():
            yield Bigram(f"{row['first']} {row['second']}", row["count"], row["information"])
    by_second.close()


def _with_count(pairs: pa.Table, column: str, words: pa.Table) -> pa.Table:
    """Return pairs with the count of the word in one of their columns."""
    places = pc.index_in(pairs[column], words["word"])
    return pairs.append_column(f"{column}_count", words["count"].take(places))
