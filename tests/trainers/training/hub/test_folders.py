"""Folders of others are read lazily, refused with a reason, and written again byte for byte."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from corpusloom.schemas.errors import ConfigError, DamageError, InputError, LoomError
from corpusloom.trainers.training.hub.folders import (
    HF,
    OPEN_CLIP,
    is_model_folder,
    origin_of,
    read_folder,
    write_folder,
)

WEIGHTS = {"b.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.arange(4).half(), "position_ids": torch.arange(5)}


def make_folder(path: Path, config: str = '{"model_type": "clip"}') -> Path:
    """Write a folder of two shards in transformers' layout."""
    path.mkdir(parents=True)
    (path / "config.json").write_text(config)
    first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    save_file({name: WEIGHTS[name] for name in ("a.bias", "position_ids")}, path / first, {"format": "pt"})
    save_file({"b.weight": WEIGHTS["b.weight"]}, path / second, {"format": "pt"})
    index = {"metadata": {}, "weight_map": {"a.bias": first, "position_ids": first, "b.weight": second}}
    (path / "model.safetensors.index.json").write_text(json.dumps(index))
    return path


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def test_shards_are_read_by_their_index(tmp_path: Path) -> None:
    folder = read_folder(str(make_folder(tmp_path / "clip")))
    assert (folder.layout, folder.model_type, folder.tensors.metadata) == (HF, "clip", {"format": "pt"})
    assert set(folder.tensors) == set(WEIGHTS)
    assert folder.tensors.shapes["b.weight"] == (2, 3)
    assert all(torch.equal(folder.tensors[name], tensor) for name, tensor in WEIGHTS.items())
    folder.check_type("bert", "clip")
    with pytest.raises(ConfigError, match=r"config\.json: model_type clip is not supported .*bert"):
        folder.check_type("bert")


def test_a_folder_is_written_again_byte_for_byte_from_a_checkpoints_attachments(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "source")
    (source / "vocab.txt").write_text("[PAD]\n")
    origin = origin_of(read_folder(str(source)).origin() | {"tokenizer.txt": b"x"}, HF)
    assert origin is not None
    tensors = {name: tensor.float() for name, tensor in WEIGHTS.items() if name != "position_ids"}
    write_folder(str(tmp_path / "out"), HF, tensors, origin.files, origin.headers)
    assert contents(tmp_path / "out") == contents(source)
    assert origin_of(read_folder(str(source)).origin(), OPEN_CLIP) is None


def test_a_folder_of_both_layouts_is_read_as_the_one_whose_weights_it_has(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "both")
    (source / "open_clip_config.json").write_text('{"model_cfg": {}}')
    assert read_folder(str(source)).layout == HF
    for name in os.listdir(source):
        if name.startswith("model"):
            (source / name).unlink()
    save_file(WEIGHTS, source / "open_clip_model.safetensors")
    folder = read_folder(str(source))
    assert (folder.layout, folder.model_type, set(folder.tensors)) == (OPEN_CLIP, "clip", set(WEIGHTS))


def test_a_folder_that_is_not_empty_is_not_written_into(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="exists and is not empty"):
        write_folder(str(make_folder(tmp_path / "x")), HF, WEIGHTS, {}, {})


def test_a_run_is_no_folder_of_others(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "x")
    assert is_model_folder(str(source))
    (source / "checkpoint.json").write_text("{}")
    assert not is_model_folder(str(source))
    assert not is_model_folder(str(tmp_path))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def keep_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


def to_pickle(path: Path) -> None:
    path.rename(path.parent / "pytorch_model.bin")
    (path.parent / "model.safetensors.index.json").unlink()


SHARD = "model-00001-of-00002.safetensors"
BAD: list[tuple[str, str, type[LoomError], str]] = [
    ("config.json", "unlink", InputError, r"no config\.json or open_clip_config\.json"),
    ("config.json", "cut", DamageError, r"config\.json: not readable as JSON"),
    (SHARD, "unlink", InputError, rf"model\.safetensors\.index\.json: names {SHARD}, which is missing"),
    (SHARD, "cut", DamageError, rf"{SHARD}: has \d+ bytes, and \d+ by its header: cut short"),
    (SHARD, "keep_header", DamageError, rf"{SHARD}: not a safetensors file, or cut short"),
    (SHARD, "to_pickle", InputError, r"no model\.safetensors .*loom import-model .*source --out FOLDER"),
]


@pytest.mark.parametrize(("name", "damage", "error", "message"), BAD)
def test_a_damaged_folder_is_refused_by_file_and_reason(
    tmp_path: Path, name: str, damage: str, error: type[LoomError], message: str
) -> None:
    source = make_folder(tmp_path / "source")
    {"unlink": Path.unlink, "cut": cut, "keep_header": keep_header, "to_pickle": to_pickle}[damage](source / name)
    with pytest.raises(error, match=message):
        list(read_folder(str(source)).tensors)


@pytest.mark.parametrize(("name", "advice"), [("model.safetensors", "folder it is in"), ("m.pt", "loom import-model")])
def test_a_file_is_not_taken_for_a_folder(tmp_path: Path, name: str, advice: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InputError, match=f"a file, not a folder.*{advice}"):
        read_folder(str(tmp_path / name))


def test_a_config_that_is_no_object_or_has_no_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DamageError, match="holds no object"):
        read_folder(str(make_folder(tmp_path / "a", "[]")))
    with pytest.raises(ConfigError, match="no model_type"):
        read_folder(str(make_folder(tmp_path / "b", "{}"))).check_type("clip")
    assert read_folder(str(make_folder(tmp_path / "c", '{"v_biattention_id": []}'))).model_type == "vilbert"
