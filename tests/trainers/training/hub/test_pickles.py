"""Pickled weights are converted once, tensors only; a pickle that holds more is refused before it runs."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.training.hub.folders import read_folder
from corpusloom.trainers.training.hub.pickles import import_model, read_pickle

WEIGHTS = {"b.weight": torch.arange(6.0).view(2, 3).T, "a.bias": torch.arange(4).half()}
CONFIG = '{"model_type": "clip"}'


def folder_of(path: Path, **files: Any) -> str:
    """Write a folder of pickles (values) and texts (strings)."""
    path.mkdir(exist_ok=True)
    for name, value in files.items():
        if isinstance(value, str):
            (path / name).write_text(value)
        else:
            torch.save(value, path / name)
    return str(path)


def assert_same(folder: str, expected: dict[str, torch.Tensor]) -> None:
    tensors = read_folder(folder).tensors
    assert set(tensors) == set(expected)
    assert all(
        torch.equal(tensors[name], value) and tensors[name].dtype == value.dtype for name, value in expected.items()
    )
    assert tensors.metadata == {"format": "pt"}


def test_a_folder_becomes_one_of_safetensors_with_its_small_files(tmp_path: Path) -> None:
    tied = WEIGHTS | {"tied": WEIGHTS["a.bias"]}
    files = {
        "pytorch_model.bin": tied,
        "config.json": CONFIG,
        "vocab.txt": "a\n",
        "README.md": "x",
        "training_args.bin": [1],
    }
    done = import_model(folder_of(tmp_path / "in", **files), str(tmp_path / "out"))
    assert (done.layout, done.tensors, done.parameters, done.left_out) == ("hf", 3, 14, ())
    assert sorted(os.listdir(tmp_path / "out")) == ["config.json", "model.safetensors", "vocab.txt"]
    assert_same(str(tmp_path / "out"), tied)


def test_shards_stay_shards(tmp_path: Path) -> None:
    first, second = "pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"
    index = json.dumps({"weight_map": {"a.bias": first, "b.weight": second}})
    shards = {first: {"a.bias": WEIGHTS["a.bias"]}, second: {"b.weight": WEIGHTS["b.weight"]}}
    files = shards | {"pytorch_model.bin.index.json": index, "config.json": CONFIG}
    source = folder_of(tmp_path / "in", **files)
    assert import_model(source, str(tmp_path / "out")).files == (
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    )
    assert_same(str(tmp_path / "out"), WEIGHTS)
    assert "pytorch_model.bin.index.json" not in os.listdir(tmp_path / "out")
    (tmp_path / "in" / second).unlink()
    with pytest.raises(InputError, match=f"pytorch_model.bin.index.json: names {second}, which is missing"):
        import_model(source, str(tmp_path / "again"))


def test_a_file_is_converted_with_a_configuration_from_elsewhere(tmp_path: Path) -> None:
    wrapped = {"state_dict": {f"module.{name}": value for name, value in WEIGHTS.items()} | {"epoch": 3}}
    folder_of(tmp_path / "in", **{"model_9.pt": wrapped})
    torch.save(wrapped["state_dict"], tmp_path / "in" / "old.bin", _use_new_zipfile_serialization=False)
    (tmp_path / "bert_base_6layer.json").write_text(CONFIG)
    for name in ("model_9.pt", "old.bin"):
        with pytest.raises(InputError, match=r"in: no config\.json beside the weights .*--model-config FILE"):
            import_model(str(tmp_path / "in" / name), str(tmp_path / "out"))
        out = str(tmp_path / f"out-{name}")
        done = import_model(str(tmp_path / "in" / name), out, str(tmp_path / "bert_base_6layer.json"))
        assert done.left_out == ("epoch",)
        assert_same(out, WEIGHTS)


def test_a_folder_of_open_clip_keeps_its_layout(tmp_path: Path) -> None:
    config = '{"model_cfg": {}}'
    files = {"open_clip_pytorch_model.bin": WEIGHTS, "open_clip_config.json": config, "config.json": CONFIG}
    done = import_model(folder_of(tmp_path / "in", **files), str(tmp_path / "out"))
    assert (done.layout, done.files) == ("open_clip", ("open_clip_model.safetensors",))
    assert set(load_file(tmp_path / "out/open_clip_model.safetensors")) == set(WEIGHTS)


class Evil:
    """An object whose pickle writes a file when it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch " + os.environ["EVIL"],)


def test_a_pickle_that_holds_more_than_tensors_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVIL", str(tmp_path / "ran"))
    for new in (True, False):
        torch.save(WEIGHTS | {"evil": Evil()}, tmp_path / "evil.bin", _use_new_zipfile_serialization=new)
        with pytest.raises(
            InputError, match=r"evil\.bin: not a file of tensors alone: it names posix\.system .nothing"
        ):
            read_pickle(str(tmp_path / "evil.bin"))
    assert not (tmp_path / "ran").exists()


def script() -> Any:
    return torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2))


def test_what_is_no_state_dict_is_refused(tmp_path: Path) -> None:
    torch.save(WEIGHTS, tmp_path / "cut.bin")
    whole = (tmp_path / "cut.bin").read_bytes()
    (tmp_path / "cut.bin").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.bin").write_text("hello")
    torch.save([1, 2], tmp_path / "list.bin")
    script().save(str(tmp_path / "jit.pt"))
    for name, message in (
        ("cut.bin", "not a file of weights, or cut short"),
        ("text.bin", "not a file of tensors alone|not a file of weights"),
        ("list.bin", "holds no tensors by name"),
        ("jit.pt", "a TorchScript program"),
    ):
        with pytest.raises(InputError, match=message):
            read_pickle(str(tmp_path / name))


def test_a_folder_of_several_models_asks_for_one(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", **{"one.pt": WEIGHTS, "two.pt": WEIGHTS, "config.json": CONFIG})
    with pytest.raises(InputError, match=r"2 pickles: one\.pt, two\.pt .give the file"):
        import_model(source, str(tmp_path / "out"))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="no file ending in"):
        import_model(str(tmp_path), str(tmp_path / "out"))
    with pytest.raises(ConfigError, match="exists and is not empty"):
        import_model(str(tmp_path / "in" / "one.pt"), str(tmp_path))
