"""Safetensors files: read lazily, by their headers, and written again byte for byte."""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor

from corpusloom.schemas import storage
from corpusloom.schemas.errors import DamageError, InputError

METADATA = "__metadata__"
MOST_HEADER = 100 << 20
"""Largest header, in bytes, as in the library."""
COPY_AGAIN = "copy the folder again from where it came"
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""Names of number formats in a header."""


class Tensors(Mapping[str, Tensor]):
    """The tensors of safetensors files, each read at its first use; their order is that of the files."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.headers = {name: read_header(path) for name, path in files.items()}
        """Name of a file -> its header as it is written."""
        self.metadata: dict[str, str] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._path: dict[str, str] = {}
        for name, header in self.headers.items():
            self.metadata |= json.loads(header).get(METADATA, {})
            for tensor, entry in entries_of(header):
                self.shapes[tensor] = tuple(entry["shape"])
                self._path[tensor] = files[name]
        self._opened = lru_cache(maxsize=None)(_open)

    def __getitem__(self, name: str) -> Tensor:
        path = self._path[name]
        try:
            opened = self._opened(path)
            tensor: Tensor = opened[name] if isinstance(opened, dict) else opened.get_tensor(name)
        except SafetensorError as error:
            raise DamageError(str(error), where=path, remedy=COPY_AGAIN) from error
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._path)

    def __len__(self) -> int:
        return len(self._path)


def _open(path: str) -> Any:
    """Return a file's tensors by name: mapped into memory, or read whole if the file is on another machine."""
    if storage.is_local(path):
        return safe_open(storage.filesystem(path)[1], "pt")
    return load_tensors(storage.read_bytes(path))


def read_header(path: str) -> bytes:
    """Return the header of a safetensors file; DamageError unless the file has the length that it says."""
    size = storage.size(path)
    length = int.from_bytes(storage.read_bytes(path, 0, 8), "little") if size >= 8 else 0
    header = storage.read_bytes(path, 8, 8 + length) if 0 < length <= min(size - 8, MOST_HEADER) else b""
    try:
        found = [(entry["data_offsets"][1], entry["dtype"], tuple(entry["shape"])) for _, entry in entries_of(header)]
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise DamageError("not a safetensors file, or cut short", where=path, remedy=COPY_AGAIN) from error
    for _, dtype, _ in found:
        if dtype not in _DTYPES:
            raise InputError(f"holds numbers of the format {dtype}", where=path, remedy=f"known: {', '.join(_DTYPES)}")
    expected = 8 + length + max((end for end, _, _ in found), default=0)
    if size != expected:
        what = f"has {size:,} bytes, and {expected:,} by its header: cut short"
        raise DamageError(what, where=path, remedy=COPY_AGAIN)
    return header


def entries_of(header: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Return (name, {dtype, shape, data_offsets}) of a header's tensors, in the order of their data."""
    entries = [(name, entry) for name, entry in json.loads(header).items() if name != METADATA]
    return sorted(entries, key=lambda item: item[1]["data_offsets"])


def write_file(path: str, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors into one safetensors file, with the metadata that transformers asks for."""
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    storage.write_bytes(path, dump_tensors(contiguous, {"format": "pt"}))


def write_like(path: str, tensors: Mapping[str, Tensor], header: bytes) -> None:
    """Write a safetensors file with a header's names, order and number formats.

    A header stays as it is, byte for byte, unless the shape of a tensor has changed.
    """
    entries = entries_of(header)
    own = {name: _like(tensors, name, entry) for name, entry in entries}
    if any(list(own[name].shape) != entry["shape"] for name, entry in entries):
        storage.write_bytes(path, dump_tensors(own, json.loads(header).get(METADATA)))
        return
    with storage.writing(path) as handle:
        handle.write(len(header).to_bytes(8, "little") + header)
        for tensor in own.values():
            handle.write(tensor.reshape(-1).view(torch.uint8).numpy().data)


def _like(tensors: Mapping[str, Tensor], name: str, entry: Mapping[str, Any]) -> Tensor:
    """Return a tensor in a header's number format; position_ids, which old versions stored, are counted again."""
    dtype = _DTYPES[entry["dtype"]]
    if name not in tensors and name.endswith("position_ids"):
        return torch.arange(entry["shape"][-1], dtype=dtype).reshape(entry["shape"])
    return tensors[name].to(dtype).contiguous()
