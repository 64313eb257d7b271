"""Files of tensors: as torch's own writer makes them, read by its reader and by safetensors."""

import hashlib
import warnings
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.distributed import checkpoint as dcp

from corpusloom.schemas.errors import DamageError, LoomError
from corpusloom.trainers.checkpoints.shards import (
    DTYPES,
    PIECE_BYTES,
    SlicePlanner,
    TensorReader,
    TensorWriter,
    divide_plans,
    own_plan,
    write_safetensors,
)

TENSORS = {
    "odd": torch.arange(7, dtype=torch.int8),
    "wide": torch.randn(3, 5, dtype=torch.float64).t(),
    "none": torch.zeros(0, 4),
    "flags": torch.tensor([True, False, True]),
    "half": torch.randn(2, 3).bfloat16(),
    "one": torch.tensor([3.0]),
}


def write(folder: Path) -> TensorWriter:
    writer = TensorWriter(str(folder))
    plan = divide_plans([own_plan(TENSORS)])[0]
    writer.write_data(plan, SlicePlanner(TENSORS)).wait()
    return writer


def test_a_file_holds_the_same_as_that_of_torchs_own_writer(tmp_path: Path) -> None:
    writer = write(tmp_path / "own")
    path = tmp_path / "own" / "shard-00000.safetensors"
    assert writer.files == {path.name: hashlib.sha256(path.read_bytes()).hexdigest()}
    theirs = dcp.HuggingFaceStorageWriter(str(tmp_path / "theirs"), save_distributed=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "assuming the intent is to save in a single process"
        dcp.save({name: value.contiguous() for name, value in TENSORS.items()}, storage_writer=theirs)
    with (
        safe_open(path, "pt") as own,
        safe_open(tmp_path / "theirs" / "shard-00001-model-00001-of-00001.safetensors", "pt") as other,
    ):
        assert set(own.keys()) == set(other.keys()) == TENSORS.keys()
        assert all(torch.equal(own.get_tensor(name), other.get_tensor(name)) for name in TENSORS)
        assert own.metadata().keys() == other.metadata().keys()
        assert own.metadata()["format"] == "pt"


def test_tensors_are_read_into_place(tmp_path: Path) -> None:
    write(tmp_path)
    reader = TensorReader(str(tmp_path))
    assert reader.stored == {name: (value.shape, value.dtype) for name, value in TENSORS.items()}
    places = {name: torch.full(value.shape, 1, dtype=value.dtype) for name, value in TENSORS.items()}
    reader.fill(places)
    assert all(torch.equal(places[name], value) for name, value in TENSORS.items())


@pytest.mark.parametrize("dtype", DTYPES)
def test_each_type_is_written(tmp_path: Path, dtype: torch.dtype) -> None:
    value = torch.tensor([0, 1, 1]).to(dtype)
    write_safetensors(str(tmp_path / "a.safetensors"), {"a": value}, {})
    found = load_file(tmp_path / "a.safetensors")["a"]
    assert found.dtype == dtype
    assert torch.equal(found.view(torch.uint8), value.view(torch.uint8))


def test_a_type_that_safetensors_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LoomError, match=r"no torch\.complex32"):
        write_safetensors(str(tmp_path / "a"), {"a": torch.zeros(1, dtype=torch.complex32)}, {})


def test_a_tensor_of_several_pieces_is_written_whole(tmp_path: Path) -> None:
    value = torch.arange(PIECE_BYTES // 4 + 3, dtype=torch.int32)
    digest = write_safetensors(str(tmp_path / "a.safetensors"), {"a": value, "b": value[:1]}, {})
    assert torch.equal(load_file(tmp_path / "a.safetensors")["a"], value)
    assert digest == hashlib.sha256((tmp_path / "a.safetensors").read_bytes()).hexdigest()


def test_a_slice_that_several_ranks_hold_is_written_by_one(tmp_path: Path) -> None:
    plans = divide_plans([own_plan(TENSORS) for _ in range(3)])
    names = [item.index.fqn for plan in plans for item in plan.items]
    assert sorted(names) == sorted(TENSORS)
    writer = TensorWriter(str(tmp_path))
    writer.write_data(divide_plans([own_plan({})])[0], SlicePlanner({})).wait()
    assert writer.files == {}
    assert list(tmp_path.iterdir()) == []


def test_missing_parts_and_unreadable_files_are_damage(tmp_path: Path) -> None:
    info = '{"a": {"saved_offsets": [2, 0]}}'
    save_file({"a": torch.zeros(2, 3)}, tmp_path / "a.safetensors", {"DCP_SHARDING_INFO": info})
    with pytest.raises(DamageError, match="parts of a are missing"):
        TensorReader(str(tmp_path))
    save_file({"a": torch.zeros(2, 3)}, tmp_path / "a.safetensors", {"DCP_SHARDING_INFO": "{}"})
    with pytest.raises(DamageError, match="no readable tensors"):
        TensorReader(str(tmp_path))
    (tmp_path / "a.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(DamageError, match="no readable tensors"):
        TensorReader(str(tmp_path))
