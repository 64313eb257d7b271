"""Tensors on disk: one safetensors file per rank, in the layout of torch's HuggingFaceStorageWriter.

torch plans who writes which slice, and which slices a rank reads: any number of ranks reads what any other number
wrote. Files are written here, because torch's writer holds a rank's file in memory twice before it writes it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from torch.distributed.checkpoint import DefaultLoadPlanner, DefaultSavePlanner
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.metadata import Metadata, TensorStorageMetadata
from torch.distributed.checkpoint.planner import SavePlan, SavePlanner, WriteItem
from torch.distributed.checkpoint.storage import WriteResult
from torch.futures import Future

from corpusloom.schemas import storage
from corpusloom.schemas.errors import DamageError, LoomError
from corpusloom.trainers.checkpoints.folders import REMEDY, SHARD_SUFFIX

PIECE_BYTES = 1 << 24
"""Bytes that are copied from a device, hashed and written at a time."""
DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8",
    torch.bool: "BOOL", torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2",
}  # fmt: skip
"""Names of the types in a safetensors header."""


def own_plan(tensors: Mapping[str, Tensor]) -> SavePlan:
    """Return the slices that this rank holds."""
    planner = DefaultSavePlanner(flatten_state_dict=False, flatten_sharded_tensors=False)
    planner.set_up_planner(dict(tensors))
    return planner.create_local_plan()


def divide_plans(plans: list[SavePlan]) -> list[SavePlan]:
    """Return each rank's slices to write: a slice that several ranks hold is written by one of them."""
    planner = DefaultSavePlanner(flatten_state_dict=False, flatten_sharded_tensors=False)
    divided, _ = planner.create_global_plan(plans)
    return TensorWriter("").prepare_global_plan(divided)


class SlicePlanner(DefaultSavePlanner):
    """Gives a writer this rank's slices, by name."""

    def __init__(self, slices: Mapping[str, Tensor]) -> None:
        super().__init__(flatten_state_dict=False, flatten_sharded_tensors=False)
        self.slices = slices

    def resolve_data(self, write_item: WriteItem) -> Tensor:
        """Return one slice."""
        return self.slices[write_item.index.fqn]


class TensorWriter(HuggingFaceStorageWriter):
    """Writes a rank's slices to one safetensors file, in pieces, to a path or URL."""

    def __init__(self, folder: str) -> None:
        super().__init__(path=folder, save_distributed=True)
        self.folder = folder
        self.files: dict[str, str] = {}
        """Name of each written file -> its sha256."""

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[list[WriteResult]]:
        """Write the file; a rank without a slice writes none."""
        done: Future[list[WriteResult]] = Future()
        if plan.items:
            name = f"shard-{plan.storage_data['shard_index'] - 1:05d}{SHARD_SUFFIX}"
            slices = {item.index.fqn: planner.resolve_data(item) for item in plan.items}
            offsets = {item.index.fqn: {"saved_offsets": list(item.index.offset or ())} for item in plan.items}
            metadata = {"DCP_SHARDING_INFO": json.dumps(offsets), "DCP_VERSION": "1.0", "format": "pt"}
            self.files[name] = write_safetensors(storage.join(self.folder, name), slices, metadata)
        done.set_result([])
        return done


def write_safetensors(path: str, tensors: Mapping[str, Any], metadata: Mapping[str, str]) -> str:
    """Write tensors to a safetensors file and return its sha256; the memory needed is one piece."""
    order = sorted(tensors, key=lambda name: (-tensors[name].itemsize, name))
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name in order:
        tensor, start = tensors[name], end
        end += tensor.nbytes
        header[name] = {"dtype": _dtype_name(tensor), "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    digest = hashlib.sha256()
    with storage.writing(path) as handle:
        for piece in _pieces(len(text).to_bytes(8, "little") + text, [tensors[name] for name in order]):
            handle.write(piece)
            digest.update(piece)
    return digest.hexdigest()


def _pieces(header: bytes, tensors: Sequence[Tensor]) -> Iterator[memoryview]:
    yield memoryview(header)
    for tensor in tensors:
        for piece in tensor.detach().reshape(-1).view(torch.uint8).split(PIECE_BYTES):
            yield memoryview(piece.cpu().numpy())


def _dtype_name(tensor: Tensor) -> str:
    if tensor.dtype not in DTYPES:
        raise LoomError(f"safetensors has no {tensor.dtype}", where="checkpoint")
    return DTYPES[tensor.dtype]


class TensorReader:
    """The tensors of a checkpoint's files, by name, as whole tensors or as slices."""

    def __init__(self, folder: str) -> None:
        self._reader = HuggingFaceStorageReader(folder)
        self._metadata = self._read_metadata(folder)
        self.stored: dict[str, tuple[torch.Size, torch.dtype]] = {
            name: (item.size, item.properties.dtype)
            for name, item in self._metadata.state_dict_metadata.items()
            if isinstance(item, TensorStorageMetadata)
        }
        """Name -> shape and type of the whole tensor."""

    def _read_metadata(self, folder: str) -> Metadata:
        try:
            metadata = self._reader.read_metadata()
        except (SafetensorError, ValueError, KeyError, TypeError, IndexError) as error:
            raise DamageError(f"no readable tensors: {error}", where=folder, remedy=REMEDY) from error
        for name, item in metadata.state_dict_metadata.items():
            assert isinstance(item, TensorStorageMetadata)
            held = sum(chunk.sizes.numel() for chunk in item.chunks)
            if held != item.size.numel():
                raise DamageError(f"parts of {name} are missing", where=folder, remedy=REMEDY)
        return metadata

    def fill(self, tensors: Mapping[str, Tensor]) -> None:
        """Read tensors of these names into place; of a distributed tensor only this rank's slice is read."""
        planner = DefaultLoadPlanner(flatten_state_dict=False, flatten_sharded_tensors=False)
        planner.set_up_planner(dict(tensors), self._metadata, is_coordinator=False)
        self._reader.set_up_storage_reader(self._metadata, is_coordinator=False)
        self._reader.read_data(planner.create_local_plan(), planner).wait()
