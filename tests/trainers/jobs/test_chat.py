"""Checkpoints that `loom chat` opens: a Flamingo replies, another model is refused by name."""

import json
from pathlib import Path

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.flamingo.chat.dialogue import DialogueForm
from corpusloom.trainers.flamingo.decoding import DecodingConfig
from corpusloom.trainers.jobs.chat import open_responder
from corpusloom.trainers.jobs.train import run
from corpusloom.trainers.training.config import load_config
from tests.trainers.datasets import coloured_pairs, write_pairs

ONE_STEP = ["train.steps=1", "train.warmup=0", "train.batch_size=2", "train.threads=1", "train.workers=0"]


def test_a_flamingo_replies_and_a_clip_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = coloured_pairs(4)
    data, clip, flamingo = write_pairs(tmp_path / "pairs", pairs), str(tmp_path / "clip"), str(tmp_path / "flamingo")
    run("clip", load_config("clip-tiny", ONE_STEP), [data], clip)
    run("flamingo", load_config("flamingo-tiny", [*ONE_STEP, f"model.vision.checkpoint={clip!r}"]), [data], flamingo)
    with pytest.raises(ConfigError, match=r"clip: a clip writes no reply to images .*loom train flamingo"):
        open_responder(clip, DialogueForm(), DecodingConfig())
    (tmp_path / "star.png").write_bytes(pairs[0].image)
    capsys.readouterr()
    image = str(tmp_path / "star.png")
    argv = ["chat", "--checkpoint", flamingo, image, "--prompt", "what is it?", "and?", "--tokens", "4", "--json"]
    assert main.run(argv) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["images"] for row in rows] == [[image], []]
    assert all(isinstance(row["reply"], str) for row in rows)
