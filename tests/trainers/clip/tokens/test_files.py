"""Tokenizers of others are read from each kind of file, and refused with a reason."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from transformers import CLIPTokenizer

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.clip.tokens.byte_pairs import END, START, ClipTokenizer, byte_alphabet
from corpusloom.trainers.clip.tokens.files import (
    BPE_FILE,
    CLIP_MERGES,
    hf_files,
    load_tokenizer,
    tokenizer_from_bytes,
    tokenizer_in,
)
from tests.trainers.clip.folders import TOKENIZER


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_vocabulary_is_the_same_after_it_was_written_and_read(tmp_path: Path, pack: type) -> None:
    path = tmp_path / "merges.txt"
    path.write_bytes(pack(TOKENIZER.to_bytes()))
    assert load_tokenizer(str(path)).merges == TOKENIZER.merges


def test_of_openais_file_clips_merges_are_taken_and_of_other_files_all() -> None:
    pairs = [f"{first} {second}" for first in byte_alphabet() for second in byte_alphabet()]
    lines = "\n".join(pairs[: CLIP_MERGES + 2])
    assert len(tokenizer_from_bytes(f'"bpe_simple_vocab_16e6.txt#version: 0.2\n{lines}'.encode()).merges) == CLIP_MERGES
    assert len(tokenizer_from_bytes(f"#version: 0.2\n{lines}\n".encode()).merges) == CLIP_MERGES + 2


@pytest.mark.parametrize("data", [b"head\none two three\n", b"\x1f\x8bbroken", b"head\n\xff\xfe x\n", b"head\nab c\n"])
def test_a_file_that_is_not_a_vocabulary_is_an_error(data: bytes) -> None:
    with pytest.raises(InputError, match=r"not a file of merges|merges without ids"):
        tokenizer_from_bytes(data)


@pytest.mark.parametrize("names", [("tokenizer.json",), ("vocab.json", "merges.txt"), (BPE_FILE,)])
def test_each_kind_of_file_in_a_folder_gives_the_same_ids(tmp_path: Path, names: tuple[str, ...]) -> None:
    files = hf_files(TOKENIZER) | {BPE_FILE: gzip.compress(TOKENIZER.to_bytes())}
    for name in names:
        (tmp_path / name).write_bytes(files[name])
    assert load_tokenizer(str(tmp_path), 9).vocabulary == TOKENIZER.vocabulary
    assert load_tokenizer(str(tmp_path), 9).context == 9


def test_a_folder_without_a_tokenizer_has_none(tmp_path: Path) -> None:
    assert tokenizer_in(str(tmp_path), 9) is None
    with pytest.raises(InputError, match=r"no tokenizer\.json, vocab\.json or file of merges"):
        load_tokenizer(str(tmp_path))


IDS = {"a": 0, "b": 1, "b</w>": 2, "ab</w>": 3, START: 4, END: 5}
MERGES = [("a", "b</w>")]


def test_a_small_vocabulary_of_transformers_in_its_own_order_gives_its_ids(tmp_path: Path) -> None:
    theirs = CLIPTokenizer(vocab=IDS, merges=MERGES)
    theirs.save_pretrained(tmp_path)
    tokenizer = load_tokenizer(str(tmp_path), 8)
    assert [tokenizer.start, *tokenizer.encode("ab b a"), tokenizer.end] == theirs("ab b a")["input_ids"]
    again = tokenizer_from_bytes(tokenizer.to_bytes(), 8)
    assert again.vocabulary == IDS
    assert again.encode("ab b") == tokenizer.encode("ab b")


def changed(**model: Any) -> bytes:
    """Return a tokenizer.json with changes of its model."""
    values = {"type": "BPE", "end_of_word_suffix": "</w>", "vocab": IDS, "merges": MERGES}
    return json.dumps({"model": values | model}).encode()


BAD = [
    (b"{", "not readable as JSON"),
    (changed(type="WordPiece"), "not a byte-pair encoding as CLIP's"),
    (changed(end_of_word_suffix=None), "not a byte-pair encoding as CLIP's"),
    (changed(vocab={"a": 0, START: 1}), r"no id of <\|endoftext\|>"),
    (changed(vocab=IDS | {"z": 9}), r"z has a larger id than <\|endoftext\|>"),
    (changed(merges=[("a", "c")]), "merges without ids"),
]


@pytest.mark.parametrize(("data", "message"), BAD)
def test_a_tokenizer_that_does_not_fit_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=f"x/tokenizer.json: {message}"):
        tokenizer_from_bytes(data, where="x/tokenizer.json")


def test_merges_as_lines_and_as_pairs_are_read() -> None:
    assert tokenizer_from_bytes(changed(merges=["a b</w>"])).merges == ClipTokenizer(tuple(MERGES), 8, IDS).merges
