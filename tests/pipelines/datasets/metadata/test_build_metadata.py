"""The list of entries by hand-counted sources: order, thresholds, limits, provenance."""

import hashlib
import json
from pathlib import Path

import pytest

from corpusloom.pipelines.datasets.metadata import build_metadata as building
from corpusloom.pipelines.datasets.metadata.build_metadata import MetadataConfig, build_metadata
from corpusloom.pipelines.filters.pairs.entry_matching import read_entries
from corpusloom.schemas.errors import ConfigError
from tests.pipelines.datasets.metadata.test_wordnet import write_wordnet

NUMBERS = [str(number) for number in range(100)]
CORPUS = "the boat, the boat\nNew York the 7\nthe -- New York\n"
"""4 the, 2 boat, 2 New, 2 York, 1 seven: 11 tokens."""


def write_sources(folder: Path) -> dict[str, str]:
    (folder / "corpus.txt").write_text(CORPUS)
    (folder / "titles.tsv").write_text("York\t500\nBoat race\t70\nAn owl\t71\nA rare one\t69\nHelp:Me\t900\n")
    return {"wordnet": write_wordnet(folder / "wordnet"), "titles": str(folder / "titles.tsv")}


def test_sources_are_added_in_order_and_the_first_occurrence_wins(tmp_path: Path) -> None:
    sources = write_sources(tmp_path)
    config = MetadataConfig(
        out=str(tmp_path / "entries.txt"), texts=(str(tmp_path / "corpus.txt"),), min_occurrences=2,
        min_information=2.4, **sources,
    )  # fmt: skip
    found = build_metadata(config)
    synsets = ["entity", "new york", "st", "breathe", "able", "a cappella"]
    # log2(2 * 11 / (2 * 2)) = 2.459 for New York, 1.459 for "the boat", 1.459 for "York the" (log2(11 / 8) = 0.459)
    expected = [*NUMBERS, *synsets, "the", "New", "York", "boat", "New York", "An owl", "Boat race"]
    assert list(read_entries(config.out)) == expected
    assert found.added == {"numbers": 100, "wordnet": 6, "unigrams": 4, "bigrams": 1, "titles": 2}
    assert found.offered["titles"] == 3
    assert (found.texts, found.tokens, found.unigrams, found.information_bound) == (3, 11, 5, 3.459)
    assert found.sha256 == hashlib.sha256(Path(config.out).read_bytes()).hexdigest()
    kept = json.loads(Path(f"{config.out}.json").read_text())
    assert kept["entries"] == len(expected)
    assert kept["inputs"][config.texts[0]] == hashlib.sha256(CORPUS.encode()).hexdigest()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "corpus.txt", "entries.txt", "entries.txt.json", "titles.tsv", "wordnet",
    ]  # fmt: skip


def test_the_order_of_texts_and_files_does_not_matter(tmp_path: Path) -> None:
    lists = []
    for name, lines in (("a", CORPUS.splitlines()), ("b", CORPUS.splitlines()[::-1])):
        folder = tmp_path / name
        folder.mkdir()
        for number, line in enumerate(lines):
            (folder / f"{number}.txt").write_text(f"{line}\n")
        out = str(folder / "entries.txt")
        build_metadata(MetadataConfig(out=out, texts=(f"{folder}/?.txt",), min_occurrences=1, min_information=1))
        lists.append(Path(out).read_bytes())
    assert lists[0] == lists[1]


def test_worldwide_limits_count_new_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "WORLDWIDE_WORDS", 0.5)  # 2 of 5 unigrams
    monkeypatch.setattr(building, "MOST_BIGRAMS", 1)
    sources = write_sources(tmp_path)
    (tmp_path / "wordnet" / "data.adv").write_text("00001740 02 r 01 the 0 000 | most frequent\n")
    config = MetadataConfig(
        out=str(tmp_path / "e.txt"), texts=(str(tmp_path / "corpus.txt"),), min_information=1, worldwide=True, **sources
    )
    build_metadata(config)
    entries = read_entries(config.out)
    assert list(entries[105:]) == [
        "the",  # of WordNet
        "New", "York",  # two new unigrams
        "New York",  # the one bigram
        "An owl", "Boat race", "A rare one",  # int(0.76 * 4) = 3 new titles, whatever their views
    ]  # fmt: skip


def test_entries_of_marks_alone_or_of_more_than_256_characters_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "titles.tsv").write_text(f"!\t99\n...\t99\n{'x' * 257}\t99\n{'y' * 256}\t99\n")
    config = MetadataConfig(out=str(tmp_path / "e.txt"), titles=str(tmp_path / "titles.tsv"))
    build_metadata(config)
    assert read_entries(config.out)[100:] == ("y" * 256,)


@pytest.mark.parametrize(
    ("settings", "told"), [({"out": "e.json", "titles": "t"}, "read as JSON"), ({"out": "e.txt"}, "no source")]
)
def test_a_list_that_could_not_be_used_is_refused(settings: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        MetadataConfig(**settings)  # type: ignore[arg-type]
