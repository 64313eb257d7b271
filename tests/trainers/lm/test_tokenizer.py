"""The learnt tokenizer: special tokens first, texts come back, files of Hugging Face's layout."""

import json

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.lm.tokenizer import SPECIAL, read_files, train_tokenizer

TEXTS = ["a red star on a grey ground", "two blue rings"] * 4


def test_a_tokenizer_begins_with_its_special_tokens_and_gives_texts_back() -> None:
    tokenizer = train_tokenizer(TEXTS, 300)
    assert (tokenizer.pad, tokenizer.bos, tokenizer.eos) == (0, 1, 2)
    text = "two blue rings, ünknown"
    assert tokenizer.text(tokenizer.ids(text)) == text


def test_files_give_the_tokenizer_again_and_equal_texts_equal_files() -> None:
    own = train_tokenizer(TEXTS, 300)
    again = read_files(own.files(), "here")
    assert (again.bos, again.eos, again.pad) == (own.bos, own.eos, own.pad)
    assert again.ids(TEXTS[0]) == own.ids(TEXTS[0])
    assert train_tokenizer(reversed(TEXTS), 300).files() == own.files()


def test_a_special_token_that_is_not_in_the_vocabulary_is_refused() -> None:
    files = train_tokenizer(TEXTS, 300).files()
    special = json.loads(files[SPECIAL]) | {"eos_token": "<end>"}
    with pytest.raises(InputError, match=r"names a token that tokenizer\.json lacks"):
        read_files({**files, SPECIAL: json.dumps(special).encode()}, "here")
