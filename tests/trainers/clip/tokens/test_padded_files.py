"""SigLIP's tokenizers are read from the files of transformers: the ids of its own tokenizers."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer, GemmaTokenizer, Siglip2Tokenizer

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.clip.tokens.padded import hf_files
from corpusloom.trainers.clip.tokens.padded_files import load_padded, padded_from_bytes, padded_in
from tests.trainers.clip.folders import SIGLIP_TOKENIZER, TOKENIZER
from tests.trainers.clip.tokens.test_sentence_piece import SPIECE

ROWS = {
    "A photo of a red square!": [10, 25, 24, 10, 3, 47, 5, 28, 35, 4, 45, 1],
    "Naïve cat's; dog  \n x": [47, 41, 4, 2, 31, 46, 8, 4, 6, 5, 16, 1],
    "": [1] * 12,
    "red-green": [3, 40, 45, 46, 46, 41, 1, 1, 1, 1, 1, 1],
}
"""Text -> ids of transformers' SiglipTokenizer with spiece.model, padded to 12; it needs SentencePiece's library."""
SIGLIP = {"tokenizer_class": "SiglipTokenizer", "pad_token": "</s>", "eos_token": {"content": "</s>"}}


@pytest.mark.parametrize("settings", [{}, SIGLIP])
def test_a_spiece_model_gives_the_ids_of_transformers_siglip_tokenizer(tmp_path: Path, settings: Any) -> None:
    (tmp_path / "spiece.model").write_bytes(SPIECE)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    for found in (padded_in(str(tmp_path), 12), padded_from_bytes(SPIECE, 12)):
        assert found is not None
        assert {text: found.row(text).tolist() for text in ROWS} == ROWS


@pytest.mark.parametrize("kind", [Siglip2Tokenizer, GemmaTokenizer])
def test_a_gemma_tokenizer_gives_the_ids_of_transformers(tmp_path: Path, kind: type) -> None:
    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{byte:02X}>" for byte in range(256)), *"▁ABabcder"]
    vocabulary = {piece: number for number, piece in enumerate([*pieces, "re", "red"])}
    kind(vocab=vocabulary, merges=[("r", "e"), ("re", "d")]).save_pretrained(tmp_path)
    theirs, ours = AutoTokenizer.from_pretrained(tmp_path), padded_in(str(tmp_path), 9)
    assert ours is not None
    texts = ["A red Bée", "", " ", "red " * 9]
    assert ours.rows(texts).tolist() == theirs(texts, padding="max_length", max_length=9, truncation=True)["input_ids"]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"padding_side": "right"}))
    assert load_padded(str(tmp_path), 9).row("a").tolist()[1:] == [0] * 8


def test_merges_and_definitions_give_the_same_ids(tmp_path: Path) -> None:
    (tmp_path / "merges.txt").write_bytes(TOKENIZER.to_bytes())
    expected = SIGLIP_TOKENIZER.row("a red square").tolist()
    for path in (tmp_path, tmp_path / "merges.txt"):
        assert load_padded(str(path), 12).row("a red square").tolist() == expected
    definition = hf_files(SIGLIP_TOKENIZER)["tokenizer.json"]
    for data in (definition, SIGLIP_TOKENIZER.to_bytes()):
        assert padded_from_bytes(data, 12).row("a red square").tolist() == expected


def test_a_folder_without_a_tokenizer_has_none_and_damage_is_named(tmp_path: Path) -> None:
    assert padded_in(str(tmp_path), 9) is None
    with pytest.raises(InputError, match=r"no spiece\.model, tokenizer\.json or file of merges"):
        load_padded(str(tmp_path), 9)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match=r"tokenizer\.json: not a tokenizer\.json"):
        load_padded(str(tmp_path), 9)
