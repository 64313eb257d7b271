"""Similarity of words in a WordNet of eleven words, against values by hand."""

from pathlib import Path

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.evaluation.answers.wordnet import WordNet, read_wordnet

FILES = {
    "index.noun": """  1 a line of the licence
entity n 1 1 ~ 1 0 00000001
animal n 1 1 @ 1 0 00000002
dog n 2 1 @ 2 1 00000003 00000009
cat n 1 1 @ 1 1 00000004
man n 1 1 @ 1 1 00000005
""",
    "data.noun": """  1 a line of the licence
00000001 03 n 01 entity 0 000 | that which is
00000002 03 n 02 animal 0 beast 1 001 @ 00000001 n 0000 | a living thing | with a bar
00000003 03 n 01 dog 0 002 @ 00000002 n 0000 ~ 00000009 n 0000 | it barks
00000004 03 n 01 cat 0 001 @i 00000002 n 0000 | it purrs
00000005 03 n 01 man 0 001 @ 00000001 n 0000 | a person
""",
    "noun.exc": "kittycats cat\n",
    "index.verb": "run v 1 1 @ 1 1 00000011\nsleep v 1 0 1 1 00000012\n",
    "data.verb": "00000011 30 v 01 run 0 000 01 + 02 00 | move fast\n00000012 30 v 01 sleep 0 000 00 | rest\n",
    "verb.exc": "ran run\n",
    "index.adj": "red a 1 0 1 1 00000021\nblue a 1 0 1 1 00000022\n",
    "data.adj": "00000021 00 a 01 red 0 000 | a colour\n00000022 00 s 01 blue 0 000 | a colour\n",
    "adj.exc": "",
    "index.adv": "",
    "data.adv": "",
    "adv.exc": "",
}


def write_wordnet(folder: Path) -> str:
    """Write the files of a WordNet."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return str(folder)


@pytest.fixture(scope="module")
def wordnet(tmp_path_factory: pytest.TempPathFactory) -> WordNet:
    return read_wordnet(write_wordnet(tmp_path_factory.mktemp("dict")))


@pytest.mark.parametrize(
    ("one", "other", "similarity"),
    [
        ("dog", "dog", 1.0),
        ("dog", "cat", 2 * 2 / (3 + 3)),  # animal has depth 2 of entity 1, animal 2, dog 3
        ("dog", "animal", 2 * 2 / (3 + 2)),
        ("dogs", "kittycats", 2 * 2 / (3 + 3)),
        ("men", "cat", 2 * 1 / (2 + 3)),
        ("ran", "sleeping", 2 * 1 / (2 + 2)),  # only the root of verbs is common
        ("running", "run", 0.0),  # no rule takes back the doubled letter
        ("red", "blue", 0.0),  # adjectives have no hierarchy
        ("dog", "run", 0.0),
        ("dog", "zebra", 0.0),
    ],
)
def test_the_similarity_is_that_of_the_formula(one: str, other: str, similarity: float, wordnet: WordNet) -> None:
    assert wordnet.similarity(one, other) == pytest.approx(similarity)
    assert wordnet.similarity(other, one) == pytest.approx(similarity)


def test_a_file_that_is_absent_or_damaged_is_named(tmp_path: Path) -> None:
    folder = write_wordnet(tmp_path)
    (tmp_path / "data.noun").write_text("00000001 03 n 01 entity 0 002 @ 1\n")
    with pytest.raises(InputError, match=r"data\.noun: not a line of WordNet"):
        read_wordnet(folder)
    (tmp_path / "index.noun").unlink()
    with pytest.raises(InputError, match=r"index\.noun: no such file \(give the folder dict of WordNet"):
        read_wordnet(folder)
