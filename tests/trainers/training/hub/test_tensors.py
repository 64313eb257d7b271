"""Safetensors files are read by header and written in the order, format and shape that a header says."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from corpusloom.schemas.errors import DamageError, InputError
from corpusloom.trainers.training.hub.tensors import Tensors, entries_of, read_header, write_file, write_like


def write_backwards(path: Path) -> dict[str, torch.Tensor]:
    """Write a valid file unlike the library's: spaces in its header, small formats first, names unsorted."""
    tensors = {"z": torch.arange(3).half(), "scale": torch.tensor(2.5), "a": torch.randn(2, 2, dtype=torch.bfloat16)}
    names = {torch.float16: "F16", torch.float32: "F32", torch.bfloat16: "BF16"}
    header, data = {"__metadata__": {"format": "pt", "made": "by hand"}}, b""
    for name, tensor in tensors.items():
        part = tensor.reshape(-1).view(torch.uint8).numpy().tobytes()
        shape, offsets = list(tensor.shape), [len(data), len(data) + len(part)]
        header[name] = {"dtype": names[tensor.dtype], "shape": shape, "data_offsets": offsets}  # type: ignore[dict-item]
        data += part
    text = json.dumps(header, indent=1).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return tensors


def test_a_file_of_another_writer_is_written_again_byte_for_byte(tmp_path: Path) -> None:
    expected = write_backwards(tmp_path / "in.safetensors")
    theirs = Tensors({"in": str(tmp_path / "in.safetensors")})
    assert list(theirs) == ["z", "scale", "a"]
    assert theirs.metadata["made"] == "by hand"
    assert all(torch.equal(theirs[name], tensor) for name, tensor in expected.items())
    write_like(str(tmp_path / "out"), {name: theirs[name].float() for name in theirs}, theirs.headers["in"])
    assert (tmp_path / "out").read_bytes() == (tmp_path / "in.safetensors").read_bytes()


def test_another_shape_gets_a_new_header_and_keeps_format_and_metadata(tmp_path: Path) -> None:
    expected = write_backwards(tmp_path / "in.safetensors")
    header = read_header(str(tmp_path / "in.safetensors"))
    write_like(str(tmp_path / "out"), expected | {"z": torch.arange(5.0)}, header)
    assert Tensors({"": str(tmp_path / "out")}).metadata == {"format": "pt", "made": "by hand"}
    found = load_file(tmp_path / "out")
    assert found["z"].dtype == torch.float16
    assert found["z"].tolist() == [0, 1, 2, 3, 4]
    assert torch.equal(found["scale"], expected["scale"])


def test_a_new_file_is_that_of_the_library(tmp_path: Path) -> None:
    tensors = {"b": torch.randn(3, 2).T, "a": torch.tensor(1.0)}
    write_file(str(tmp_path / "ours"), tensors)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, tmp_path / "theirs", {"format": "pt"})
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
    assert [name for name, _ in entries_of(read_header(str(tmp_path / "ours")))] == ["a", "b"]


@pytest.mark.parametrize(
    "data", [b"", b"\x05", b"\xff" * 16, (9).to_bytes(8, "little") + b'{"a": 1 }  ', b"pickle??{}"]
)
def test_what_is_no_safetensors_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(DamageError, match="x: not a safetensors file, or cut short"):
        read_header(str(tmp_path / "x"))


def test_a_number_format_that_is_not_known_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_file(str(path), {"a": torch.zeros(2)})
    path.write_bytes(path.read_bytes().replace(b'"F32"', b'"F4X"'))
    with pytest.raises(InputError, match="x: holds numbers of the format F4X"):
        read_header(str(path))


def test_a_header_that_the_library_refuses_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_file(str(path), {"a": torch.zeros(2), "b": torch.zeros(2)})
    path.write_bytes(path.read_bytes().replace(b"[8,16]", b"[7,16]"))
    theirs = Tensors({"x": str(path)})
    with pytest.raises(DamageError, match="x: "):
        theirs["a"]
