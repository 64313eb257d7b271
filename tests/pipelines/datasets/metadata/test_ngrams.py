"""Counts and mutual information equal those of plain loops over the whole corpus in memory."""

import math
import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from corpusloom.pipelines.datasets.metadata import ngrams
from corpusloom.pipelines.datasets.metadata.ngrams import (
    count_files,
    informative_bigrams,
    merged_words,
    partitions_of,
    tokens,
)

RNG = random.Random(5)
WORDS = [f"w{number}" for number in range(30)]
TEXTS = [" ".join(RNG.choices(WORDS, weights=range(30, 0, -1), k=RNG.randint(1, 9))) for _ in range(200)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A red boat.", ["A", "red", "boat", "."]),
        ("it's <b>so</b>&lt;br&gt; (new)", ["it", "'", "s", "so", "(", "new", ")"]),
        ("猫 and แม", ["猫", "and", "แ", "ม"]),
        ("été\u2028Zürich\x85x", ["été", "Zürich", "x"]),
        ("", []),
    ],
)
def test_marks_and_characters_of_scripts_without_blanks_are_tokens(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


def loops(texts: list[str]) -> tuple[Counter[str], dict[str, float]]:
    """Count the n-grams of texts of words and commas; return the unigrams and each bigram's mutual information."""
    pieces = [piece.split() for text in texts for piece in text.split(",")]
    unigrams = Counter(word for piece in pieces for word in piece)
    bigrams = Counter(pair for piece in pieces for pair in pairwise(piece))
    total = unigrams.total()
    return unigrams, {
        f"{first} {second}": math.log2(count * total) - math.log2(unigrams[first] * unigrams[second])
        for (first, second), count in bigrams.items()
    }


@pytest.mark.parametrize(("partitions", "workers", "piece"), [(1, 0, 10**6), (7, 0, 50), (3, 2, 50)])
def test_counts_and_information_are_those_of_loops(
    partitions: int, workers: int, piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ngrams, "PIECE_TOKENS", piece)
    texts = [text.replace(" w3 ", " , ") for text in TEXTS]
    paths = []
    for number in range(3):
        paths.append(str(tmp_path / f"{number}.txt"))
        Path(paths[-1]).write_text("".join(f"{text}\n" for text in texts[number::3]))
    counts = count_files(paths, "text", str(tmp_path / "scratch"), partitions=partitions, workers=workers)
    unigrams, information = loops(texts)
    found = {
        row["word"]: row["count"]
        for partition in range(partitions)
        for row in merged_words(counts, partition).to_pylist()
    }
    assert found == unigrams
    assert sum(each.texts for each in counts) == len(texts)
    least = sorted(information.values())[len(information) // 2]
    bigrams = informative_bigrams(
        counts, str(tmp_path / "scratch"), partitions=partitions, total=unigrams.total(), least=round(least, 9)
    )
    kept = {bigram.text: bigram.information for bigram in bigrams}
    assert kept == {text: round(value, 9) for text, value in information.items() if round(value, 9) >= round(least, 9)}
    assert 0 < len(kept) < len(information)


def test_a_partition_stands_for_64_mib_of_corpus() -> None:
    assert [partitions_of(size) for size in (0, (64 << 20) - 1, 64 << 20, 1 << 50)] == [1, 1, 2, 1_024]
