"""Names have the noun of which they are an instance; nouns have none."""

from pathlib import Path

import pytest

from corpusloom.pipelines.filters.pairs.conceptual.wordnet import WordNetNouns, load_wordnet
from corpusloom.schemas.errors import ConfigError
from tests.pipelines.filters.pairs.conceptual.small_wordnet import write_wordnet


@pytest.mark.parametrize(
    ("name", "hypernym"),
    [
        ("Tom Hanks", "actor"),
        ("tom  hanks", "actor"),
        ("LONDON", "city"),
        ("Paris", "city"),
        ("Neptune", "sea god"),
        ("actor", None),
        ("Hanks", None),
        ("", None),
        ("é", None),
    ],
)
def test_a_name_has_the_first_word_of_its_hypernym(tmp_path: Path, name: str, hypernym: str | None) -> None:
    assert WordNetNouns(str(write_wordnet(tmp_path))).hypernym(name) == hypernym


@pytest.mark.parametrize(("word", "noun"), [("Stock", True), ("paris", True), ("London", False), ("blorks", False)])
def test_a_noun_has_a_sense_that_is_no_name(tmp_path: Path, word: str, noun: bool) -> None:
    assert WordNetNouns(str(write_wordnet(tmp_path))).is_noun(word) is noun


def test_files_are_read_once_and_their_hash_is_known(tmp_path: Path) -> None:
    folder = str(write_wordnet(tmp_path))
    assert load_wordnet(folder) is load_wordnet(folder)
    before = load_wordnet(folder).sha256
    (tmp_path / "data.noun").write_text("other")
    assert (len(before), WordNetNouns(folder).sha256 == before) == (64, False)


def test_a_folder_without_the_files_is_refused_with_the_package_to_install(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"filters\.conceptual\.wordnet.*index\.noun.*apt-get install wordnet-base"):
        load_wordnet(str(tmp_path))
