"""A model's tokenizer is CLIP's or a padded one, as its text tower reads a text."""

from pathlib import Path

import pytest

from corpusloom.trainers.clip.config import TextTowerConfig
from corpusloom.trainers.clip.tokens.byte_pairs import ClipTokenizer
from corpusloom.trainers.clip.tokens.of_model import (
    hf_files,
    learn_tokenizer,
    load_tokenizer,
    tokenizer_from_bytes,
    tokenizer_in,
)
from corpusloom.trainers.clip.tokens.padded import PaddedTokenizer
from tests.trainers.clip.folders import TEXTS


@pytest.mark.parametrize(("pool", "kind"), [("end", ClipTokenizer), ("last", PaddedTokenizer)])
def test_a_learnt_tokenizer_goes_through_bytes_files_and_folders(pool: str, kind: type, tmp_path: Path) -> None:
    text = TextTowerConfig(vocab_size=560, context=12, pool=pool)
    learnt = learn_tokenizer(TEXTS, text)
    assert isinstance(learnt, kind)
    assert learnt.vocab_size <= 560
    assert learn_tokenizer(reversed(TEXTS), text).to_bytes() == learnt.to_bytes()
    for name, data in hf_files(learnt).items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "vocabulary").write_bytes(learnt.to_bytes())
    folder = str(tmp_path)
    found = (tokenizer_in(folder, text), load_tokenizer(folder, text), load_tokenizer(f"{folder}/vocabulary", text))
    for other in (*found, tokenizer_from_bytes(learnt.to_bytes(), text)):
        assert isinstance(other, kind)
        assert other.rows(TEXTS).tolist() == learnt.rows(TEXTS).tolist()
