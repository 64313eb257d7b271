"""BERT's tokenizer: ids as transformers' from each kind of file; a learnt vocabulary is the same for equal captions."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import AutoTokenizer, BertTokenizer

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.vilbert.tokenizer import (
    SPECIAL,
    encode,
    hf_files,
    kept_lengths,
    learn_tokenizer,
    read_vocabulary,
    tokenizer_in,
)

CAPTIONS = ["two large red stars on a striped green ground", "a small blue ring", "picture of a cross, over yellow"] * 2
TOKENIZER = learn_tokenizer(CAPTIONS, 200)
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "cafe", "star", "##s", "un", "##known", ",", "!", "2", "A"]
TEXTS = ("A Café, stars!", "unknown\tstar 22 2", "星 stars", "", "a\u200b star\ufffd")


def test_a_caption_becomes_cls_its_words_sep_and_padding() -> None:
    ids = encode(TOKENIZER, "A small BLUE ring", 12)
    assert TOKENIZER.decode(ids[1:5].tolist()) == "a small blue ring"
    assert ids[0] == TOKENIZER.token_to_id("[CLS]")
    assert (ids == TOKENIZER.token_to_id("[SEP]")).sum() == 1
    assert ids[-1] == TOKENIZER.token_to_id("[PAD]")


def test_a_long_caption_keeps_its_sep() -> None:
    ids = encode(TOKENIZER, " ".join(CAPTIONS * 3), 6)
    assert len(ids) == 6
    assert ids[-1] == TOKENIZER.token_to_id("[SEP]")


def test_special_tokens_spelt_out_are_plain_text(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(TOKENIZER.to_str())
    for tokenizer in (TOKENIZER, read_vocabulary(str(tmp_path / "tokenizer.json"))):
        ids = encode(tokenizer, "a [SEP] [MASK]", 16)
        assert (ids == tokenizer.token_to_id("[SEP]")).sum() == 1
        assert tokenizer.token_to_id("[MASK]") not in ids


def test_a_learnt_vocabulary_has_special_tokens_letters_and_pieces_of_the_captions() -> None:
    vocabulary = TOKENIZER.get_vocab()
    assert [vocabulary[name] for name in SPECIAL] == [0, 1, 2, 3, 4]
    assert {"striped", "picture", "b", "##b", ","} <= set(vocabulary)
    assert len(TOKENIZER.encode("strange", add_special_tokens=False).ids) > 1
    small = learn_tokenizer(CAPTIONS, 30).get_vocab()
    assert len(small) <= 30
    assert set(small.values()) == set(range(len(small)))


LEARN = """
import hashlib, random, sys
from corpusloom.trainers.vilbert.tokenizer import learn_tokenizer
rng = random.Random(0)
words = ["".join(rng.choices("abcdefgh\u00e9\u661f", k=rng.randint(2, 7))) for _ in range(400)]
captions = [" ".join(rng.choices(words, k=9)) for _ in range(600)]
random.Random(int(sys.argv[1])).shuffle(captions)
print(hashlib.sha256(learn_tokenizer(captions, 700).to_str().encode()).hexdigest())
"""


def test_equal_captions_give_an_equal_vocabulary_in_any_order_and_process() -> None:
    digests = set()
    for seed in ("1", "2", "3"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": seed}
        program = [sys.executable, "-c", LEARN, seed]
        digests.add(subprocess.run(program, env=environment, capture_output=True, check=True).stdout)
    assert len(digests) == 1


def test_a_given_vocabulary_tokenizes_as_transformers_does(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    theirs, ours = BertTokenizer(str(path), do_lower_case=True), read_vocabulary(str(path))
    for text in TEXTS:
        assert ours.encode(text).ids == theirs(text)["input_ids"], text


@pytest.mark.parametrize("lower", [True, False])
def test_folders_of_transformers_are_read_with_their_case(tmp_path: Path, lower: bool) -> None:
    (tmp_path / "words.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    theirs = BertTokenizer(str(tmp_path / "words.txt"), do_lower_case=lower)
    theirs.save_pretrained(tmp_path / "whole")
    (tmp_path / "old").mkdir()
    (tmp_path / "words.txt").rename(tmp_path / "old" / "vocab.txt")
    (tmp_path / "old" / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": lower}))
    for folder in ("whole", "old"):
        ours = read_vocabulary(str(tmp_path / folder))
        for text in TEXTS:
            assert ours.encode(text).ids == theirs(text)["input_ids"], (folder, text)


def test_transformers_reads_the_files_that_are_written(tmp_path: Path) -> None:
    for name, data in hf_files(TOKENIZER).items():
        (tmp_path / name).write_bytes(data)
    theirs = AutoTokenizer.from_pretrained(str(tmp_path))
    assert theirs("two small rings, a star")["input_ids"] == TOKENIZER.encode("two small rings, a star").ids
    read = tokenizer_in(str(tmp_path))
    assert read is not None
    assert read.to_str() == TOKENIZER.to_str()


BAD = [
    ("vocab.txt", b"[UNK]\na\n", ConfigError, r"vocab\.txt: the vocabulary lacks \[PAD\]"),
    ("vocab.txt", b"\xff\xfe", InputError, "not a vocabulary"),
    ("tokenizer.json", b"{", InputError, "not readable as JSON"),
    (
        "tokenizer.json",
        b'{"model": {"type": "BPE", "vocab": {}, "merges": []}}',
        InputError,
        "not a WordPiece tokenizer",
    ),
    ("tokenizer.json", b'{"model": {"vocab": {}}}', InputError, "not prepared as BERT's"),
]


@pytest.mark.parametrize(("name", "data", "error", "message"), BAD)
def test_a_vocabulary_that_does_not_fit_is_refused(
    tmp_path: Path, name: str, data: bytes, error: type[Exception], message: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(error, match=message):
        read_vocabulary(str(tmp_path))


def test_a_folder_without_a_vocabulary_has_none(tmp_path: Path) -> None:
    assert tokenizer_in(str(tmp_path)) is None
    with pytest.raises(InputError, match=r"no tokenizer\.json or vocab\.txt"):
        read_vocabulary(str(tmp_path))


def test_the_longer_text_of_a_pair_is_cut_token_by_token() -> None:
    for first, second, room in itertools.product(range(9), range(9), range(2, 12)):
        kept, rest = first, second
        while kept + rest > room:
            kept, rest = (kept - 1, rest) if kept > rest else (kept, rest - 1)
        assert kept_lengths(first, second, room) == (kept, rest)
