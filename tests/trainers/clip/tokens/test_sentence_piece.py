"""A SentencePiece model is read without that library; spiece.model is a small one that it learnt."""

from pathlib import Path

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.clip.tokens.sentence_piece import read_unigram

SPIECE = (Path(__file__).parent / "spiece.model").read_bytes()


def test_a_text_is_cut_into_the_most_probable_pieces() -> None:
    found = read_unigram(SPIECE, "x").encode("a photo of a red square")
    assert found.tokens == ["▁a", "▁photo", "▁of", "▁a", "▁red", "▁", "s", "q", "u", "a", "r", "e"]
    assert read_unigram(SPIECE, "x").decode(found.ids) == "a photo of a red square"
    assert read_unigram(SPIECE, "x").encode("").ids == []


def field(number: int, value: bytes) -> bytes:
    """Return a field of a message: a tag, a length, bytes."""
    return bytes([number << 3 | 2, len(value)]) + value


@pytest.mark.parametrize("data", [SPIECE[:-7], b"\n\xff\xff", b"\x0b", b""])
def test_a_damaged_file_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match="x: not a"):
        read_unigram(data, "x")


def test_a_model_of_byte_pairs_is_refused() -> None:
    model = field(1, field(1, b"a")) + field(2, b"\x18\x02")
    with pytest.raises(InputError, match="x: not a unigram model of SentencePiece"):
        read_unigram(model, "x")
