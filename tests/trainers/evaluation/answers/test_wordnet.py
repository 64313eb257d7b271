"""Similarity of words in a small WordNet, against values by hand (those of NLTK on the same hierarchy)."""

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
hen n 1 1 @ 1 0 00000031
vertebrate n 1 1 @ 1 0 00000032
carnivore n 1 1 @ 1 0 00000033
canine n 1 1 @ 1 0 00000034
terrier n 1 1 @ 1 0 00000035
pug n 1 1 @ 1 0 00000036
pet n 1 1 @ 1 0 00000037
kit n 1 1 @ 1 0 00000041
gift n 1 1 @ 1 0 00000042
pen n 1 1 @ 1 0 00000043
cup n 1 1 @ 1 0 00000044
""",
    "data.noun": """  1 a line of the licence
00000001 03 n 01 entity 0 000 | that which is
00000002 03 n 02 animal 0 beast 1 001 @ 00000001 n 0000 | a living thing | with a bar
00000003 03 n 01 dog 0 002 @ 00000002 n 0000 ~ 00000009 n 0000 | it barks
00000004 03 n 01 cat 0 001 @i 00000002 n 0000 | it purrs
00000005 03 n 01 man 0 001 @ 00000001 n 0000 | a person
00000031 03 n 01 hen 0 001 @ 00000032 n 0000 | it clucks
00000032 03 n 01 vertebrate 0 001 @ 00000002 n 0000 | it has a spine
00000033 03 n 01 carnivore 0 001 @ 00000032 n 0000 | it eats meat
00000034 03 n 01 canine 0 001 @ 00000033 n 0000 | it has fangs
00000035 03 n 01 terrier 0 001 @ 00000034 n 0000 | it digs
00000036 03 n 01 pug 0 002 @ 00000035 n 0000 @ 00000037 n 0000 | it snores
00000037 03 n 01 pet 0 001 @ 00000002 n 0000 | it lives with people
00000041 03 n 01 kit 0 002 @ 00000002 n 0000 @ 00000037 n 0000 | it is of use
00000042 03 n 01 gift 0 001 @ 00000002 n 0000 | it is given
00000043 03 n 01 pen 0 002 @ 00000041 n 0000 @ 00000042 n 0000 | it writes
00000044 03 n 01 cup 0 002 @ 00000041 n 0000 @ 00000042 n 0000 | it holds tea
""",
    "noun.exc": "kittycats zzz cat\n",
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
        ("red", "blue", 2 * 1 / (2 + 2)),  # adjectives have no hierarchy but the root
        ("dog", "run", 2 * 1 / (4 + 2)),  # as have words of two parts of speech: root 1, entity 2, animal 3, dog 4
        # vertebrate has depth 3; from it to pug there are 4 steps down, but 3 over animal and pet
        ("pug", "hen", 2 * 3 / (3 + 3 + 3 + 1)),
        # gift.n.01 is before kit.n.01 and pet.n.01, as deep by their shortest paths; kit is deeper by its longest
        ("pen", "cup", 2 * 3 / (4 + 4)),
        ("pen", "kit", 2 * 4 / (5 + 4)),
        ("dog", "zebra", 0.0),
    ],
)
def test_the_similarity_is_that_of_the_formula(one: str, other: str, similarity: float, wordnet: WordNet) -> None:
    assert wordnet.similarity(one, other) == pytest.approx(similarity)
    assert wordnet.similarity(other, one) == pytest.approx(similarity)


def test_a_lemma_is_the_first_form_that_wordnet_has(wordnet: WordNet) -> None:
    words = ("dogs", "kittycats", "ran", "sleeping", "zebras")
    assert [wordnet.lemma(word) for word in words] == ["dog", "cat", "run", "sleep", "zebras"]


def test_a_file_that_is_absent_or_damaged_is_named(tmp_path: Path) -> None:
    folder = write_wordnet(tmp_path)
    (tmp_path / "data.noun").write_text("00000001 03 n 01 entity 0 002 @ 1\n")
    with pytest.raises(InputError, match=r"data\.noun: not a line of WordNet"):
        read_wordnet(folder)
    (tmp_path / "index.noun").unlink()
    with pytest.raises(InputError, match=r"index\.noun: no such file \(give the folder dict of WordNet"):
        read_wordnet(folder)
