"""The tokenizer: CLIP's order of ids, byte-pair encoding by its definition, rows with an end token, learnt merges."""

import hashlib
import os
import re
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.tokens.byte_pairs import ClipTokenizer, byte_alphabet, clean, learn_merges, standard_ids

TEXTS = ["two large red stars", "a small blue circle on a red ground", "large stars", "blue circles"] * 3
MERGES = learn_merges(TEXTS, 600)


def reference_ids(merges: tuple[tuple[str, str], ...], word: str) -> list[int]:
    """Return ids by the definition of byte-pair encoding: merge the pair of lowest rank until no pair is left."""
    alphabet = byte_alphabet()
    pieces = [*alphabet, *(letter + "</w>" for letter in alphabet), *("".join(pair) for pair in merges)]
    letters = dict(zip(_bytes_in_order(), alphabet, strict=True))
    parts = [letters[byte] for byte in word.encode()]
    parts[-1] += "</w>"
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    while True:
        pairs = [pair for pair in pairwise(parts) if pair in ranks]
        if not pairs:
            return [pieces.index(part) for part in parts]
        best = min(pairs, key=ranks.__getitem__)
        merged, place = [], 0
        while place < len(parts):
            if tuple(parts[place : place + 2]) == best:
                merged.append("".join(best))
                place += 2
            else:
                merged.append(parts[place])
                place += 1
        parts = merged


def _bytes_in_order() -> list[int]:
    printable = [b for b in range(256) if chr(b).isprintable() and chr(b) != " "]
    return printable + [b for b in range(256) if b not in printable]


def test_the_first_ids_are_the_bytes_in_the_order_of_clip() -> None:
    tokenizer = ClipTokenizer(())
    assert (tokenizer.start, tokenizer.end, tokenizer.vocab_size) == (512, 513, 514)
    assert tokenizer.encode("a") == [256 + ord("a") - ord("!")]
    assert tokenizer.encode("ab") == [ord("a") - ord("!"), 256 + ord("b") - ord("!")]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(alphabet="starlegbcudio", min_size=1, max_size=9), min_size=1, max_size=5))
def test_encoding_is_byte_pair_encoding_by_its_definition(words: list[str]) -> None:
    tokenizer = ClipTokenizer(MERGES)
    expected = [i for word in words for i in reference_ids(MERGES, word)]
    assert tokenizer.encode(" ".join(words)) == expected


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_one_row_with_one_end(text: str) -> None:
    tokenizer = ClipTokenizer(MERGES, context=10)
    row = tokenizer.row(text)
    assert row.shape == (10,)
    assert row[0] == tokenizer.start
    assert (row == tokenizer.end).sum() == 1
    assert row.argmax() == (row != 0).sum() - 1 or 0 in row[: row.argmax()]


def test_decoding_an_encoded_text_gives_the_text_back() -> None:
    tokenizer = ClipTokenizer(MERGES)
    assert tokenizer.decode(tokenizer.row("Two LARGE  red stars naïve").tolist()) == "two large red stars naïve"


def test_a_long_text_keeps_its_end_token() -> None:
    tokenizer = ClipTokenizer(MERGES, context=6)
    row = tokenizer.row("a b c d e f g h")
    assert row[-1] == tokenizer.end
    assert len(row) == 6


def test_a_special_token_spelt_out_is_plain_text() -> None:
    tokenizer = ClipTokenizer(MERGES)
    assert tokenizer.end not in tokenizer.encode("x <|endoftext|> <end_of_text> y")


def test_texts_are_cleaned_as_clip_does() -> None:
    assert clean("  A&amp;amp;B \n ÃŸ ") == "a&b ß"


def test_words_that_are_frequent_become_one_token() -> None:
    tokenizer = ClipTokenizer(MERGES)
    assert all(len(tokenizer.encode(word)) == 1 for word in ("large", "stars", "blue", "a"))
    assert len(tokenizer.encode("zebra")) > 1


def test_learnt_merges_fit_the_vocabulary_and_begin_with_the_most_frequent() -> None:
    assert learn_merges(TEXTS, 520) == MERGES[:6]
    assert learn_merges([], 600) == learn_merges(TEXTS, 300) == ()
    assert MERGES[0] == ("a", "r")  # 12 times in "large", "stars" and "star", as often as no other pair
    assert ("z", "e") not in learn_merges([*TEXTS, "zebra"], 5000), "a pair that occurs once is not learnt"


LEARN = """
import hashlib, random, sys
from corpusloom.trainers.clip.tokens.byte_pairs import learn_merges
rng = random.Random(0)
words = ["".join(rng.choices("abcdefgh", k=rng.randint(2, 7))) for _ in range(400)]
texts = [" ".join(rng.choices(words, k=9)) for _ in range(600)]
random.Random(int(sys.argv[1])).shuffle(texts)
print(hashlib.sha256(repr(learn_merges(texts, 900)).encode()).hexdigest())
"""


def test_equal_texts_give_equal_merges_in_any_order_and_process() -> None:
    digests = set()
    for seed in ("1", "2", "3"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": seed}
        program = [sys.executable, "-c", LEARN, seed]
        digests.add(subprocess.run(program, env=environment, capture_output=True, check=True).stdout)
    assert len(digests) == 1
    assert len(digests.pop().strip()) == 2 * hashlib.sha256().digest_size


def test_a_vocabulary_in_another_order_is_kept_through_pickling_and_its_file() -> None:
    ids = {"a": 0, "b": 1, "b</w>": 2, "ab</w>": 3, "<|startoftext|>": 4, "<|endoftext|>": 5}
    tokenizer = ClipTokenizer((("a", "b</w>"),), 8, ids)
    assert tokenizer.row("ab ab").tolist() == [4, 3, 3, 5, 0, 0, 0, 0]
    assert tokenizer.decode([4, 3, 3, 5]) == "ab ab"
    cls, arguments = tokenizer.__reduce__()
    assert cls(*arguments).vocabulary == ids
    assert tokenizer.to_bytes().startswith(b"{")
    assert ClipTokenizer(MERGES, 8, standard_ids(MERGES)).to_bytes().startswith(b"#version")


def test_a_model_too_small_for_the_ids_is_refused() -> None:
    with pytest.raises(ConfigError, match=re.escape("vocab_size is 100")):
        ClipTokenizer(MERGES).check_fits(100)


def test_ids_are_those_of_transformers_clip_tokenizer() -> None:
    from transformers import CLIPTokenizer

    tokenizer = ClipTokenizer(MERGES)
    theirs = CLIPTokenizer(vocab=standard_ids(MERGES), merges=list(MERGES))
    for text in ("two large red stars, don't!", "a blue circle's ring 123", "naïve ★ stars"):
        assert theirs(text)["input_ids"] == [tokenizer.start, *tokenizer.encode(text), tokenizer.end]
