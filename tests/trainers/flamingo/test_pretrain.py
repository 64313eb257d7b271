"""Pre-training of the language model: the loss falls, equal runs give equal weights, and the model is saved."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.flamingo import pretrain as module
from corpusloom.trainers.flamingo.config import LanguageModelConfig
from corpusloom.trainers.flamingo.language_model import BOS, EOS, load, train_tokenizer
from corpusloom.trainers.flamingo.pretrain import main, pretrain, token_stream

TEXTS = [f"the {colour} star number {number}" for colour in ("red", "blue") for number in range(8)]
SHAPE = LanguageModelConfig(vocab_size=280, context=16, layers=1, width=16, heads=2)


def test_texts_follow_each_other_between_begin_and_end_tokens() -> None:
    tokenizer = train_tokenizer(TEXTS, 280)
    bos, eos = tokenizer.token_to_id(BOS), tokenizer.token_to_id(EOS)
    stream = token_stream(TEXTS[:2], tokenizer)
    expected = [id for text in TEXTS[:2] for id in (bos, *tokenizer.encode(text).ids, eos)]
    assert stream.dtype == np.int64
    assert stream.tolist() == expected


def test_more_steps_lower_the_loss_and_equal_runs_give_equal_weights(tmp_path: Path) -> None:
    first = pretrain(TEXTS, str(tmp_path / "first"), SHAPE, steps=3)
    again = pretrain(TEXTS, str(tmp_path / "again"), SHAPE, steps=3)
    longer = pretrain(TEXTS, str(tmp_path / "longer"), SHAPE, steps=60)
    assert first == again
    assert longer < first - 1
    one, other = load(str(tmp_path / "first"))[0], load(str(tmp_path / "again"))[0]
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def test_the_command_reads_one_text_per_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "texts").write_text("".join(f"{json.dumps(text)}\n" for text in TEXTS))
    calls: list[tuple[list[str], str]] = []
    monkeypatch.setattr(module, "pretrain", lambda texts, out, config: calls.append((texts, out)) or 1.5)
    monkeypatch.setattr("sys.argv", ["pretrain", str(tmp_path / "texts"), "out"])
    main()
    assert calls == [(TEXTS, "out")]
    assert capsys.readouterr().out == "1.5\n"
    monkeypatch.setattr("sys.argv", ["pretrain", "texts"])
    with pytest.raises(ConfigError, match="TEXTS OUT"):
        main()
