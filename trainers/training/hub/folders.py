"""Reads and writes folders of models in the layouts of transformers and of open_clip.

A folder has a configuration, weights as safetensors (one file, or shards and an index) and the tokenizer's files. Names
and shapes of a family are in its `adapter`. Pickles are not read here: `loom import-model` converts them once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError, DamageError, InputError
from corpusloom.schemas.guards import json_files
from corpusloom.trainers.training.hub.tensors import COPY_AGAIN, Tensors, write_file, write_like

HF, OPEN_CLIP = "hf", "open_clip"
INDEX = ".index.json"
PICKLES = (".bin", ".pt", ".pth", ".ckpt")
"""Endings of files that torch.save wrote."""
ORIGIN = "origin."
"""Beginning of the names of the attachments that describe the folder that a run began from."""
_HEADER = ".header"
_KEPT = (".json", ".txt", ".gz", ".model", ".jinja")
"""Endings of small files that are taken along: configuration, index, tokenizer, preprocessing."""
_KEPT_BYTES = 32 << 20
"""Largest size of such a file."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Names of a layout's files."""

    config: str
    weights: tuple[str, ...]
    """Names that the weights may have; the first is the one that is written."""


LAYOUTS = {
    HF: Layout("config.json", ("model.safetensors",)),
    OPEN_CLIP: Layout("open_clip_config.json", ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")),
}


@dataclass(frozen=True)
class Folder:
    """A model's folder; each tensor is read at its first use."""

    path: str
    layout: str
    config: dict[str, Any]

    @cached_property
    def tensors(self) -> Tensors:
        """The weights by their own names."""
        return Tensors(_weight_files(self.path, self.layout))

    @property
    def model_type(self) -> str:
        """Model type in the configuration: clip, bert ...; "" without one."""
        if self.layout == OPEN_CLIP:
            return "clip"
        return str(self.config.get("model_type") or ("vilbert" if "v_biattention_id" in self.config else ""))

    def check_type(self, *known: str) -> None:
        """Raise ConfigError unless the model is of one of these types."""
        if self.model_type not in known:
            found = f"model_type {self.model_type} is not supported" if self.model_type else "no model_type"
            where = storage.join(self.path, LAYOUTS[self.layout].config)
            raise ConfigError(found, where=where, remedy=f"supported here: {', '.join(known)}")

    def read_file(self, name: str) -> bytes | None:
        """Return the content of a small file of the folder, or None if there is none."""
        path = storage.join(self.path, name)
        return storage.read_bytes(path) if storage.exists(path) else None

    def origin(self, more: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
        """Return small files (and `more`) and the weights' headers as attachments of a checkpoint, for `origin_of`."""
        files = small_files(self.path)
        headers = {name + _HEADER: header for name, header in self.tensors.headers.items()}
        return {_origin(self.layout) + name: data for name, data in (files | headers | dict(more or {})).items()}


def small_files(folder: str) -> dict[str, bytes]:
    """Return the small files of a model's folder by name: configuration, index, tokenizer, preprocessing."""
    names = [name for name in storage.listing(folder) if name.endswith(_KEPT)]
    small = [name for name in names if storage.size(storage.join(folder, name)) <= _KEPT_BYTES]
    return {name: storage.read_bytes(storage.join(folder, name)) for name in small}


def _origin(layout: str) -> str:
    """Return the prefix of the attachments that describe a folder in a layout."""
    return f"{ORIGIN}{layout}."


def is_model_folder(path: str) -> bool:
    """Return whether a path is a folder in one of the layouts, and not a run or a checkpoint."""
    ours = any(storage.exists(storage.join(path, name)) for name in ("checkpoint.json", "checkpoints"))
    return not ours and any(storage.exists(storage.join(path, layout.config)) for layout in LAYOUTS.values())


def read_folder(path: str) -> Folder:
    """Return the model in a folder; if it has the files of both layouts, the layout whose weights it has.

    Raises InputError for a folder without a configuration. Missing or damaged weights are found at the first use of
    `tensors`.
    """
    if path.endswith((".safetensors", *PICKLES)) and not storage.is_folder(path):
        raise InputError("a file, not a folder", where=path, remedy=_advice(path, [path]) or "give the folder it is in")
    names = storage.listing(path)
    if "checkpoint.json" in names or "checkpoints" in storage.folders(path):
        remedy = f"loom export-model {path} --to {HF} --out FOLDER writes it as one"
        raise InputError(
            "a run or checkpoint of loom train, not a folder of transformers or open_clip", where=path, remedy=remedy
        )
    found = [name for name, layout in LAYOUTS.items() if layout.config in names]
    if not found:
        known = " or ".join(layout.config for layout in LAYOUTS.values())
        raise InputError(f"no {known}", where=path, remedy=_advice(path, names) or "give the folder of a model")
    layout = next((name for name in found if _weights(names, name)), found[0])
    where = storage.join(path, LAYOUTS[layout].config)
    config = json_files.loads(storage.read_bytes(where), where, COPY_AGAIN)
    if not isinstance(config, dict):
        raise DamageError("holds no object", where=where, remedy=COPY_AGAIN)
    return Folder(path, layout, config)


def _advice(path: str, names: Iterable[str]) -> str:
    """Return how to convert pickles among the files of a folder, or ""."""
    pickled = any(name.endswith(PICKLES) for name in names)
    return f"pickled weights are not read; convert them once: loom import-model {path} --out FOLDER" if pickled else ""


def _weights(names: Sequence[str], layout: str) -> str | None:
    """Return the name of the weights or of their index among the files of a folder."""
    return next((name + end for name in LAYOUTS[layout].weights for end in ("", INDEX) if name + end in names), None)


def _weight_files(path: str, layout: str) -> dict[str, str]:
    """Return name -> path of the safetensors files of a folder."""
    names = storage.listing(path)
    first = _weights(names, layout)
    if first is None:
        remedy = _advice(path, names) or "copy the weights into it"
        raise InputError(f"no {LAYOUTS[layout].weights[0]}", where=path, remedy=remedy)
    if not first.endswith(INDEX):
        return {first: storage.join(path, first)}
    where = storage.join(path, first)
    return {name: storage.join(path, name) for name in shards_of(where, names)}


def shards_of(index: str, names: Sequence[str]) -> list[str]:
    """Return the names of the files that an index names, of those in its folder; InputError for one that is missing."""
    shards = json_files.read_object(index, COPY_AGAIN, {"weight_map": dict})["weight_map"].values()
    for name in shards:
        if name not in names:
            raise InputError(f"names {name}, which is missing", where=index, remedy=COPY_AGAIN)
    return sorted(set(shards))


@dataclass(frozen=True, slots=True)
class FolderOrigin:
    """The folder that a run began from: content of small files, and header of each file of weights, by name."""

    files: Mapping[str, bytes]
    headers: Mapping[str, bytes]


def origin_of(attachments: Mapping[str, bytes], layout: str) -> FolderOrigin | None:
    """Return the folder that a checkpoint began from; None without one, or if its layout is another."""
    prefix = _origin(layout)
    found = {name.removeprefix(prefix): data for name, data in attachments.items() if name.startswith(prefix)}
    headers = {name.removesuffix(_HEADER): data for name, data in found.items() if name.endswith(_HEADER)}
    files = {name: data for name, data in found.items() if not name.endswith(_HEADER)}
    return FolderOrigin(files, headers) if found else None


def write_folder(
    out: str, layout: str, tensors: Mapping[str, Tensor], files: Mapping[str, bytes], headers: Mapping[str, bytes]
) -> None:
    """Write a model's folder: weights, then small files, its configuration last.

    With `headers` each tensor gets the file, place and number format of its header; without, there is one file.
    """
    check_new(out)
    for name, header in headers.items():
        write_like(storage.join(out, name), tensors, header)
    if not headers:
        write_file(storage.join(out, LAYOUTS[layout].weights[0]), tensors)
    write_small(out, layout, files)


def write_small(out: str, layout: str, files: Mapping[str, bytes]) -> None:
    """Write a model's small files, its configuration last: with it the folder is complete."""
    for name in sorted(files, key=lambda name: name == LAYOUTS[layout].config):
        storage.write_bytes(storage.join(out, name), files[name])


def check_new(out: str) -> None:
    """Raise ConfigError if a folder to write exists and is not empty."""
    if storage.exists(out) and (not storage.is_folder(out) or storage.listing(out)):
        raise ConfigError("exists and is not empty", where=out, remedy="give a new folder as --out")
