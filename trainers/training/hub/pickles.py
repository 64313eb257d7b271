"""Converts weights that torch.save wrote into safetensors, once: a file or a folder of another model.

Only tensors are read (torch's `weights_only`): a pickle that names anything else is refused before any of it runs.
"""

import json
import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError
from corpusloom.trainers.training.hub.folders import (
    HF,
    INDEX,
    LAYOUTS,
    OPEN_CLIP,
    PICKLES,
    check_new,
    shards_of,
    small_files,
    write_small,
)
from corpusloom.trainers.training.hub.tensors import write_file

_INSIDE = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts keep the weights."""


@dataclass(frozen=True, slots=True)
class Imported:
    """Result of a conversion."""

    layout: str
    tensors: int
    parameters: int
    files: tuple[str, ...]
    """Names of the files of weights that were written."""
    left_out: tuple[str, ...]
    """Names of values that are not tensors."""


def import_model(path: str, out: str, config: str | None = None) -> Imported:
    """Write the weights of a pickle, or of a folder of pickles, into `out` as safetensors, with its small files.

    `config` is the configuration's file, if it is not beside the weights. Raises InputError for a pickle that holds
    more than tensors, and for weights without a configuration.
    """
    if not storage.is_local(path):
        raise InputError("is not on this machine", where=path, remedy="copy it to a local disk")
    check_new(out)
    is_folder = storage.is_folder(path)
    folder = path if is_folder else path.rpartition("/")[0] or "."
    names = storage.listing(folder)
    chosen = _choose(path, names) if is_folder else [path.rpartition("/")[2]]
    layout = OPEN_CLIP if config is None and _is_open_clip(chosen[0], names) else HF
    files = {name: data for name, data in small_files(folder).items() if not name.endswith(INDEX)}
    if config is not None:
        files[LAYOUTS[layout].config] = storage.read_bytes(config)
    if LAYOUTS[layout].config not in files:
        what = f"no {LAYOUTS[layout].config} beside the weights"
        raise InputError(what, where=folder, remedy="give the model's configuration as --model-config FILE")
    done = _convert(folder, {old: _new_name(old, layout, len(chosen)) for old in chosen}, out, layout)
    write_small(out, layout, files)
    return done


def _is_open_clip(weights: str, names: list[str]) -> bool:
    """Return whether weights are in open_clip's layout; a folder may have the files of both layouts."""
    is_hf = LAYOUTS[HF].config in names and not weights.startswith("open_clip")
    return LAYOUTS[OPEN_CLIP].config in names and not is_hf


def _choose(path: str, names: list[str]) -> list[str]:
    """Return the pickles of a folder that are one model: those of an index, or the only one."""
    for index in (name for name in names if name.endswith(INDEX)):
        shards = shards_of(storage.join(path, index), names)
        if all(name.endswith(PICKLES) for name in shards):
            return shards
    found = [name for name in names if name.endswith(PICKLES) and name not in ("training_args.bin", "optimizer.pt")]
    preferred = [name for name in found if name in ("pytorch_model.bin", "open_clip_pytorch_model.bin")]
    chosen = preferred[:1] or found
    if len(chosen) != 1:
        what = f"{len(found)} pickles: {', '.join(found)}" if found else f"no file ending in {' '.join(PICKLES)}"
        raise InputError(what, where=path, remedy="give the file of the weights")
    return chosen


def _new_name(old: str, layout: str, count: int) -> str:
    if count == 1:
        return LAYOUTS[layout].weights[0]
    stem = old.rpartition(".")[0]
    return f"{stem.replace('open_clip_pytorch_model', 'open_clip_model').replace('pytorch_model', 'model')}.safetensors"


def _convert(folder: str, weights: Mapping[str, str], out: str, layout: str) -> Imported:
    """Convert each file of weights; write an index if there are several."""
    weight_map: dict[str, str] = {}
    left_out: list[str] = []
    parameters, size = 0, 0
    for old, new in weights.items():
        state, others = read_pickle(storage.join(folder, old))
        left_out += others
        write_file(storage.join(out, new), state)
        weight_map |= dict.fromkeys(state, new)
        parameters += sum(tensor.numel() for tensor in state.values())
        size += sum(tensor.nbytes for tensor in state.values())
    if len(weights) > 1:
        index = json.dumps({"metadata": {"total_size": size}, "weight_map": weight_map}, indent=2, sort_keys=True)
        storage.write_bytes(storage.join(out, LAYOUTS[layout].weights[0] + INDEX), f"{index}\n".encode())
    return Imported(layout, len(weight_map), parameters, tuple(weights.values()), tuple(left_out))


def read_pickle(path: str) -> tuple[dict[str, Tensor], list[str]]:
    """Return the tensors of a file of torch.save by name, and the names of its other values."""
    place = storage.filesystem(path)[1]
    if _is_program(place):
        raise InputError("a TorchScript program, not a file of weights", where=path, remedy="give its state dict")
    try:
        values = torch.load(place, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(place))
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))
        reason = f"it names {named[1]}" if named else "it is no pickle of tensors"
        remedy = "nothing in it was run; ask its author for safetensors"
        raise InputError(f"not a file of tensors alone: {reason}", where=path, remedy=remedy) from error
    except (RuntimeError, EOFError, KeyError, ValueError, TypeError, AttributeError) as error:
        what = f"not a file of weights, or cut short: {str(error).splitlines()[0]}"
        raise InputError(what, where=path, remedy="give a state dict that torch.save wrote") from error
    state = _unwrapped(values)
    tensors = {name.removeprefix("module."): value for name, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        raise InputError("holds no tensors by name", where=path, remedy="give a state dict that torch.save wrote")
    own = {name: tensor.detach().clone() for name, tensor in tensors.items()}  # a file holds no tensor twice
    return own, [name for name, value in state.items() if not isinstance(value, Tensor)]


def _is_program(path: str) -> bool:
    """Return whether a file is a TorchScript archive."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _unwrapped(values: Any) -> dict[str, Any]:
    """Return the weights by name, which a training script may have saved under a key."""
    if not isinstance(values, Mapping):
        return {}
    inner = next((values[key] for key in _INSIDE if isinstance(values.get(key), Mapping)), values)
    return {str(name): value for name, value in inner.items()}
