"""Saves and restores checkpoints: one folder per checkpoint, of safetensors and JSON only, complete once its
checkpoint.json is written.

CHECKPOINTS/step-00000100/  model.safetensors  optimizer.safetensors  config.json  stream.json  checkpoint.json
and attachments: small files without which the model cannot be used, such as a tokenizer's vocabulary.
There are no pickles, so a checkpoint of unknown origin cannot execute code.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor, nn

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError, DamageError, InputError, VersionError
from corpusloom.schemas.guards import json_files
from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.config import RunConfig, from_plain

FORMAT_VERSION = 1
MODEL, OPTIMIZER, CONFIG, STREAM, COMMIT = (
    "model.safetensors",
    "optimizer.safetensors",
    "config.json",
    "stream.json",
    "checkpoint.json",
)
Model = TypeVar("Model", bound=nn.Module)
_DELETE = "delete the checkpoint's folder: the run then resumes from the one before"
_STEP = re.compile(r"^step-(\d{8})$")


@dataclass(frozen=True, slots=True)
class _Parts:
    """A checkpoint's files by name, and tied weights as {name: name of the tensor that is stored}."""

    files: dict[str, bytes]
    aliases: dict[str, str]


class Checkpointer:
    """Saves and restores a run in a folder (path or URL): weights, optimiser, stream and step."""

    def __init__(
        self,
        folder: str,
        *,
        config: RunConfig | None = None,
        attachments: Mapping[str, bytes] | None = None,
        keep: int = 3,
    ) -> None:
        self.folder = folder
        self._config = config
        self._attachments = dict(attachments or {})
        self._keep = keep

    def save(self, step: int, model: nn.Module, optimizer: torch.optim.Optimizer, stream: Any = None) -> str:
        """Write the checkpoint after `step` updates, delete older ones but `keep`, and return its folder.

        Rank 0 writes; all ranks return once the checkpoint is complete.
        """
        path = storage.join(self.folder, f"step-{step:08d}")
        if distributed.rank() == 0:
            _write(path, step, self._parts(model, optimizer, stream))
            for old in complete_steps(self.folder)[: -self._keep]:
                delete(storage.join(self.folder, f"step-{old:08d}"))
        distributed.barrier()
        return path

    def _parts(self, model: nn.Module, optimizer: torch.optim.Optimizer, stream: Any) -> _Parts:
        tensors, aliases = _unshare(model.state_dict())
        files = {
            **self._attachments,
            MODEL: dump_tensors(tensors),
            OPTIMIZER: dump_tensors(_optimizer_tensors(optimizer, model)),
            CONFIG: _json(None if self._config is None else self._config.to_plain()),
            STREAM: _json(None if stream is None else stream.state_dict()),
        }
        return _Parts(files, aliases)

    def latest(self) -> str | None:
        """Return the folder of the newest complete checkpoint, or None."""
        return latest(self.folder)

    def restore(self, model: nn.Module, optimizer: torch.optim.Optimizer, stream: Any = None) -> int:
        """Load the newest complete checkpoint into model, optimizer and stream; return its step, 0 without one."""
        path = self.latest()
        if path is None:
            return 0
        commit = read_commit(path)
        self._check_attachments(path, commit)
        load_weights(model, path)
        _load_optimizer(optimizer, model, _read_tensors(path, OPTIMIZER, commit))
        if stream is not None:
            stream.load_state_dict(_read_json(path, STREAM, commit))
        return int(commit["step"])

    def _check_attachments(self, path: str, commit: dict[str, Any]) -> None:
        for name, data in self._attachments.items():
            if hashlib.sha256(data).hexdigest() != commit["files"].get(name):
                raise ConfigError(
                    f"{name} differs from the checkpoint's",
                    where=path,
                    remedy="resume with the same data and configuration, or train into another folder",
                )


def complete_steps(folder: str) -> list[int]:
    """Return the steps of the complete checkpoints in a folder, ascending."""
    fs, inner = storage.filesystem(folder)
    if not fs.isdir(inner):
        return []
    names = [entry["name"].rstrip("/").rsplit("/", 1)[-1] for entry in fs.ls(inner, detail=True, refresh=True)]
    steps = [int(match[1]) for match in map(_STEP.match, names) if match]
    return sorted(step for step in steps if storage.exists(storage.join(folder, f"step-{step:08d}", COMMIT)))


def latest(folder: str) -> str | None:
    """Return the newest complete checkpoint of a folder, or None; unfinished ones do not count."""
    steps = complete_steps(folder)
    return storage.join(folder, f"step-{steps[-1]:08d}") if steps else None


def find(path: str) -> str:
    """Return a checkpoint's folder: the path itself, or the newest one inside it or its `checkpoints` folder."""
    if storage.exists(storage.join(path, COMMIT)):
        return path
    found = latest(path) or latest(storage.join(path, "checkpoints"))
    if found is None:
        raise InputError("no complete checkpoint", where=path, remedy="give the --out of a training run")
    return found


def delete(path: str) -> None:
    """Delete a checkpoint: checkpoint.json first, so that a partly deleted one never counts as complete."""
    storage.remove(storage.join(path, COMMIT))
    storage.remove(path, recursive=True)


def read_commit(path: str) -> dict[str, Any]:
    """Read a checkpoint's checkpoint.json: format_version, step, files with sha256, aliases, torch, threads."""
    if not storage.exists(storage.join(path, COMMIT)):
        raise InputError("no checkpoint.json: this is no checkpoint, or an unfinished one", where=path)
    keys = {"format_version": int, "step": int, "files": dict, "aliases": dict}
    commit = json_files.read_object(storage.join(path, COMMIT), _DELETE, keys)
    if commit["format_version"] > FORMAT_VERSION:
        raise VersionError(f"checkpoint of format {commit['format_version']}", where=path, remedy="upgrade corpusloom")
    return commit


def read_config(path: str) -> RunConfig:
    """Return the configuration of the run that wrote a checkpoint."""
    values = _read_json(path, CONFIG, read_commit(path))
    if values is None:
        raise InputError("the checkpoint was saved without a configuration", where=path)
    return from_plain(values, where=storage.join(path, CONFIG))


def load_model(path: str, build_model: Callable[[RunConfig], Model]) -> tuple[Model, RunConfig]:
    """Return a checkpoint's model, in evaluation mode, and its configuration; a run's folder means its newest one."""
    folder = find(path)
    config = read_config(folder)
    model = build_model(config)
    load_weights(model, folder)
    return model.eval(), config


def load_weights(model: nn.Module, path: str) -> None:
    """Load a checkpoint's weights into a model; InputError unless names and shapes are the same."""
    commit = read_commit(path)
    tensors = _read_tensors(path, MODEL, commit)
    for alias, name in commit["aliases"].items():
        tensors[alias] = tensors[name]
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        lines = str(error).splitlines()
        raise InputError(
            f"the weights are of another model: {lines[1].strip() if len(lines) > 1 else lines[0]}",
            where=path,
            remedy="use the configuration that the checkpoint was made with",
        ) from error


def read_attachment(path: str, name: str) -> bytes:
    """Return a small file that was saved with a checkpoint."""
    commit = read_commit(path)
    if name not in commit["files"]:
        raise InputError(f"no {name} in the checkpoint", where=path)
    return _read(path, name, commit)


def _write(path: str, step: int, parts: _Parts) -> None:
    storage.remove(storage.join(path, COMMIT))
    for name, data in parts.files.items():
        storage.write_bytes(storage.join(path, name), data)
    commit = {
        "format_version": FORMAT_VERSION,
        "step": step,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in parts.files.items()},
        "aliases": parts.aliases,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "world_size": distributed.world_size(),
    }
    storage.write_bytes(storage.join(path, COMMIT), json_files.seal(commit))


def _unshare(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors to store, and tied weights as {name: name of the tensor that is stored}."""
    kept: dict[str, Tensor] = {}
    aliases: dict[str, str] = {}
    seen: dict[tuple[int, torch.Size, tuple[int, ...]], str] = {}
    for name, tensor in state.items():
        identity = (tensor.data_ptr(), tensor.shape, tensor.stride())
        if tensor.numel() and identity in seen:
            aliases[name] = seen[identity]
        else:
            seen[identity] = name
            kept[name] = tensor.detach().cpu().contiguous()
    return kept, aliases


def _optimizer_tensors(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """Return the optimiser's state as {"exp_avg:PARAMETER": tensor}."""
    return {
        f"{key}:{name}": value.detach().cpu().contiguous()
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def _load_optimizer(optimizer: torch.optim.Optimizer, model: nn.Module, tensors: dict[str, Tensor]) -> None:
    parameters = dict(model.named_parameters())
    optimizer.state.clear()
    for label, tensor in tensors.items():
        key, _, name = label.partition(":")
        parameter = parameters[name]
        device = "cpu" if key == "step" else parameter.device
        optimizer.state[parameter][key] = tensor.to(device)


def _read(path: str, name: str, commit: dict[str, Any]) -> bytes:
    data = storage.read_bytes(storage.join(path, name))
    if hashlib.sha256(data).hexdigest() != commit["files"].get(name):
        raise DamageError("has changed since it was written", where=storage.join(path, name), remedy=_DELETE)
    return data


def _read_tensors(path: str, name: str, commit: dict[str, Any]) -> dict[str, Tensor]:
    try:
        return load_tensors(_read(path, name, commit))
    except SafetensorError as error:
        raise DamageError(str(error), where=storage.join(path, name), remedy=_DELETE) from error


def _read_json(path: str, name: str, commit: dict[str, Any]) -> Any:
    return json_files.loads(_read(path, name, commit), storage.join(path, name), _DELETE)


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()
