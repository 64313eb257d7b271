"""Checkpoints: complete or absent, without pickles, and exact."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from corpusloom.schemas.errors import ConfigError, DamageError, InputError, VersionError
from corpusloom.schemas.guards import json_files
from corpusloom.trainers.training import checkpoint
from corpusloom.trainers.training.checkpoint import Checkpointer
from corpusloom.trainers.training.config import RunConfig
from corpusloom.trainers.training.optimizer import make_optimizer
from tests.trainers.training.toy import ToyStream, toy_config, toy_model, train_toy

ROOT = Path(__file__).parents[3]


def saved(folder: Path, step: int = 10) -> Path:
    model = toy_model()
    config = RunConfig(family="clip", name="toy", model={"width": 3}, train=toy_config())
    checkpointer = Checkpointer(str(folder), config=config)
    return Path(checkpointer.save(step, model, make_optimizer(model, toy_config()), ToyStream()))


def test_a_checkpoint_is_safetensors_and_json_only(tmp_path: Path) -> None:
    names = {path.name for path in saved(tmp_path).iterdir()}
    assert names == {"model.safetensors", "optimizer.safetensors", "config.json", "stream.json", "checkpoint.json"}


def test_the_configuration_is_read_back_from_a_checkpoint(tmp_path: Path) -> None:
    config = checkpoint.read_config(str(saved(tmp_path)))
    assert config == RunConfig(family="clip", name="toy", model={"width": 3}, train=toy_config())


def test_an_unfinished_checkpoint_does_not_count(tmp_path: Path) -> None:
    assert checkpoint.latest(str(tmp_path / "nothing")) is None
    saved(tmp_path, 10)
    (saved(tmp_path, 20) / "checkpoint.json").unlink()
    assert checkpoint.complete_steps(str(tmp_path)) == [10]
    assert checkpoint.latest(str(tmp_path)) == str(tmp_path / "step-00000010")


def test_older_checkpoints_are_deleted_beyond_keep(tmp_path: Path) -> None:
    config = toy_config(checkpoint_every=4)
    train_toy(config=config, checkpoint=Checkpointer(str(tmp_path), keep=2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000016", "step-00000020"]


def test_find_accepts_a_checkpoint_its_parent_and_the_folder_of_a_run(tmp_path: Path) -> None:
    path = saved(tmp_path / "run" / "checkpoints")
    for given in (path, path.parent, path.parent.parent):
        assert checkpoint.find(str(given)) == str(path)
    with pytest.raises(InputError, match="no complete checkpoint"):
        checkpoint.find(str(tmp_path))


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "stream.json"])
def test_a_changed_byte_is_damage(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path)
    data = bytearray((path / name).read_bytes())
    data[-2] ^= 1
    (path / name).write_bytes(data)
    model = toy_model()
    with pytest.raises(DamageError, match=name):
        Checkpointer(str(tmp_path)).restore(model, make_optimizer(model, toy_config()), ToyStream())


def test_a_newer_format_and_a_torn_commit_are_refused(tmp_path: Path) -> None:
    commit = saved(tmp_path) / "checkpoint.json"
    values = json.loads(commit.read_text())
    commit.write_bytes(json_files.seal(values | {"format_version": 99}))
    with pytest.raises(VersionError):
        checkpoint.read_commit(str(commit.parent))
    commit.write_text(commit.read_text()[:20])
    with pytest.raises(DamageError):
        checkpoint.read_commit(str(commit.parent))


def test_weights_of_another_model_are_refused_with_the_first_difference(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="weights are of another model"):
        checkpoint.load_weights(nn.Linear(3, 3), str(saved(tmp_path)))


def test_tied_weights_are_stored_once_and_tied_again(tmp_path: Path) -> None:
    def tied() -> nn.Module:
        model = nn.ModuleDict({"embedding": nn.Embedding(5, 4), "head": nn.Linear(4, 5, bias=False)})
        model["head"].weight = model["embedding"].weight
        return model

    model, other = tied(), tied()
    checkpointer = Checkpointer(str(tmp_path))
    path = checkpointer.save(1, model, make_optimizer(model, toy_config()))
    assert checkpoint.read_commit(path)["aliases"] == {"head.weight": "embedding.weight"}
    checkpointer.restore(other, make_optimizer(other, toy_config()))
    assert torch.equal(other["head"].weight, model["embedding"].weight)
    assert other["head"].weight is other["embedding"].weight


def test_frozen_weights_have_no_optimizer_state(tmp_path: Path) -> None:
    model = toy_model()
    model[0].requires_grad_(False)
    train_toy(model, config=toy_config(steps=3), checkpoint=Checkpointer(str(tmp_path)))
    again = toy_model()
    again[0].requires_grad_(False)
    optimizer = make_optimizer(again, toy_config())
    assert Checkpointer(str(tmp_path)).restore(again, optimizer, ToyStream()) == 3
    assert again[0].weight not in optimizer.state
    assert int(optimizer.state[again[4].weight]["step"]) == 3


def test_attachments_are_saved_and_must_be_equal_when_a_run_resumes(tmp_path: Path) -> None:
    model = toy_model()
    optimizer = make_optimizer(model, toy_config())
    path = Checkpointer(str(tmp_path), attachments={"tokenizer.txt": b"a b"}).save(1, model, optimizer)
    assert checkpoint.read_attachment(path, "tokenizer.txt") == b"a b"
    with pytest.raises(InputError, match=r"no other\.txt"):
        checkpoint.read_attachment(path, "other.txt")
    with pytest.raises(ConfigError, match=r"tokenizer\.txt differs"):
        Checkpointer(str(tmp_path), attachments={"tokenizer.txt": b"c d"}).restore(model, optimizer)


KILLED = """
import os, signal, sys
from corpusloom.schemas import storage
from tests.trainers.training.toy import ToyStream, toy_config, toy_model, train_toy
from corpusloom.trainers.training.checkpoint import Checkpointer
import torch
torch.set_num_threads(1)
write, count = storage.write_bytes, 0
def deadly(path, data):
    global count
    count += 1
    if count == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, data)
storage.write_bytes = deadly
train_toy(config=toy_config(checkpoint_every=5), checkpoint=Checkpointer(sys.argv[1]))
"""


def test_a_run_killed_while_it_writes_a_checkpoint_resumes_exactly(tmp_path: Path) -> None:
    folder = str(tmp_path / "killed")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", KILLED, folder, "8"], cwd=ROOT, env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    assert checkpoint.complete_steps(folder) == [5]
    assert (tmp_path / "killed" / "step-00000010").exists()
    config = toy_config(checkpoint_every=5)
    result = train_toy(config=config, checkpoint=Checkpointer(folder))
    whole = toy_model()
    train_toy(whole, config=config, checkpoint=Checkpointer(str(tmp_path / "whole")))
    assert result.resumed_at == 5
    for name in ("model.safetensors", "optimizer.safetensors"):
        last = "step-00000020"
        assert (tmp_path / "killed" / last / name).read_bytes() == (tmp_path / "whole" / last / name).read_bytes()
