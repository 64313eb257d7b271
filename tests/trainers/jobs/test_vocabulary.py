"""A vocabulary is learnt from captions once: equal captions give equal bytes; runs take the file."""

import random
from pathlib import Path

import pytest

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.clip.tokens.files import load_tokenizer
from corpusloom.trainers.jobs.vocabulary import learn_vocabulary
from corpusloom.trainers.vilbert.tokenizer import read_vocabulary
from tests.trainers.datasets import coloured_pairs, write_pairs
from tests.trainers.stream.datasets import make_dataset


@pytest.mark.parametrize(
    ("kind", "size", "name"),
    [("bpe", 535, "v.txt"), ("bpe", 535, "v.json"), ("wordpiece", 90, "v.txt"), ("wordpiece", 90, "v.json")],
)
def test_equal_captions_give_equal_bytes_and_the_file_is_read(tmp_path: Path, kind: str, size: int, name: str) -> None:
    pairs = coloured_pairs(40)
    shuffled = random.Random(1).sample(pairs, len(pairs))
    found = []
    for folder, some in (("one", pairs), ("two", shuffled)):
        data = write_pairs(tmp_path / folder, some)
        learnt = learn_vocabulary(kind, [data], size, str(tmp_path / folder / name))
        assert learnt.captions == 40
        found.append((tmp_path / folder / name).read_bytes())
        if kind == "bpe":
            assert load_tokenizer(str(tmp_path / folder / name)).vocab_size == learnt.ids == size
        else:
            assert read_vocabulary(str(tmp_path / folder / name)).get_vocab_size() == learnt.ids <= size
    assert found[0] == found[1]


def test_mistakes_are_refused_before_captions_are_read(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "pairs", coloured_pairs(8))
    (tmp_path / "old.txt").write_text("x")
    with pytest.raises(ConfigError, match=r"old\.txt: exists"):
        learn_vocabulary("bpe", ["no/such/data"], 600, str(tmp_path / "old.txt"))
    with pytest.raises(ConfigError, match=r"--vocab-size is 15 .wordpiece needs 16 or more"):
        learn_vocabulary("wordpiece", ["no/such/data"], 15, str(tmp_path / "new.txt"))
    assert learn_vocabulary("bpe", [data, data], 515, str(tmp_path / "new.txt"), limit=3).captions == 6
    page = {"json": b'{"texts": ["a"], "images": [null]}'}
    pages = make_dataset(tmp_path / "pages", "interleaved", [("0" * 32, page)], shards=1)
    with pytest.raises(InputError, match="pages: no captions"):
        learn_vocabulary("bpe", [pages], 600, str(tmp_path / "none.txt"))
    assert not (tmp_path / "none.txt").exists()
