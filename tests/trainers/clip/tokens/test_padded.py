"""SigLIP's tokenizers: cleaning, padding, truncation, files for transformers."""

import json
import pickle

import pytest
from tokenizers import Tokenizer, models

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.clip.tokens.padded import PaddedTokenizer, clean_first, from_merges, hf_files, with_padding
from tests.trainers.clip.folders import SIGLIP_TOKENIZER, TOKENIZER


def plain(**words: int) -> Tokenizer:
    """Return a tokenizer of single words."""
    return Tokenizer(models.WordLevel({"<pad>": 0, "?": 1, **words}, unk_token="?"))


def test_a_text_is_lowered_stripped_of_punctuation_and_padded_with_the_end() -> None:
    end = SIGLIP_TOKENIZER.pad
    row = SIGLIP_TOKENIZER.row("  A red,\n SQUARE! ").tolist()
    assert row == SIGLIP_TOKENIZER.row("a red square").tolist()
    assert len(row) == 12
    assert row[-1] == end
    assert SIGLIP_TOKENIZER.row("").tolist() == [end] * 12
    assert SIGLIP_TOKENIZER.row("number " * 30)[-1] == end
    assert SIGLIP_TOKENIZER.row("number " * 30)[-2] != end
    assert SIGLIP_TOKENIZER.vocab_size == TOKENIZER.vocab_size - 1
    assert end not in SIGLIP_TOKENIZER.row("</s> a </s> b").tolist()[:4]


def test_a_definition_is_the_same_after_it_was_written_and_read() -> None:
    again = PaddedTokenizer(SIGLIP_TOKENIZER.to_bytes(), 12)
    # our own object: a loader process gets its tokenizer as a pickle
    copied = pickle.loads(pickle.dumps(SIGLIP_TOKENIZER))
    for tokenizer in (again, copied):
        assert tokenizer.rows(["a red square", "x"]).tolist() == SIGLIP_TOKENIZER.rows(["a red square", "x"]).tolist()
    assert PaddedTokenizer(SIGLIP_TOKENIZER.to_bytes(), 5).row("a").shape == (5,)


@pytest.mark.parametrize(("lower", "punctuation", "expected"), [(True, False, "b!  a"), (False, True, "B A")])
def test_cleaning_goes_before_the_own_normaliser(lower: bool, punctuation: bool, expected: str) -> None:
    tokenizer = plain()
    clean_first(tokenizer, lower=lower, punctuation=punctuation)
    assert tokenizer.normalizer.normalize_str("B!  A") == expected


def test_padding_may_stand_on_the_left() -> None:
    padded = PaddedTokenizer(with_padding(plain(a=2), "<pad>", "left"), 3)
    assert padded.row("a").tolist() == [0, 0, 2]
    assert padded.special_ids == {"bos_token_id": None, "eos_token_id": 0, "pad_token_id": 0}


def test_a_definition_without_a_pad_token_or_of_another_kind_is_refused() -> None:
    with pytest.raises(InputError, match=r"x: no pad token .*pad_token"):
        PaddedTokenizer(plain().to_str().encode(), 3, "x")
    with pytest.raises(InputError, match=r"x: not a tokenizer\.json"):
        PaddedTokenizer(b"{}", 3, "x")


def test_more_ids_than_embeddings_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.text\.vocab_size is 100"):
        from_merges((), 4).check_fits(100)


def test_transformers_gets_the_pad_token_in_its_settings() -> None:
    files = hf_files(SIGLIP_TOKENIZER)
    settings = json.loads(files["tokenizer_config.json"])
    assert (settings["pad_token"], settings["eos_token"], settings["padding_side"]) == ("</s>", "</s>", "right")
    assert json.loads(files["tokenizer.json"])["padding"] is None
