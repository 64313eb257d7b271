"""Preprocessing of images, in the files of transformers and open_clip."""

from collections.abc import Mapping
from typing import Any

from corpusloom.schemas import storage
from corpusloom.schemas.errors import DamageError
from corpusloom.schemas.guards import json_files
from corpusloom.trainers.clip.config import MEAN, STD, CLIPConfig
from corpusloom.trainers.clip.layouts.transformers import SIGLIP_TYPE, type_of
from corpusloom.trainers.training.hub.folders import LAYOUTS, OPEN_CLIP, Folder
from corpusloom.trainers.training.hub.tensors import COPY_AGAIN

_HF_FILES = ("preprocessor_config.json", "processor_config.json")
_HALF = (0.5, 0.5, 0.5)


def mean_and_std_of(folder: Folder) -> dict[str, Any]:
    """Return {"image.mean": ..., "image.std": ...} of a folder; those of its model type if no file has them."""
    keys: tuple[str, str] = ("image_mean", "image_std")
    if folder.layout == OPEN_CLIP:
        where, values, keys = LAYOUTS[OPEN_CLIP].config, folder.config.get("preprocess_cfg") or {}, ("mean", "std")
    else:
        where, values = _processing_in(folder)
    defaults = (_HALF, _HALF) if folder.model_type == SIGLIP_TYPE else (MEAN, STD)
    found = {}
    for ours, key, default in zip(("image.mean", "image.std"), keys, defaults, strict=True):
        value = values.get(key, default)
        try:
            found[ours] = [float(number) for number in value]
        except (TypeError, ValueError):
            found[ours] = []
        if len(found[ours]) != 3:
            raise DamageError(f"{key} is {value!r}", where=storage.join(folder.path, where), remedy=COPY_AGAIN)
    return found


def _processing_in(folder: Folder) -> tuple[str, Mapping[str, Any]]:
    """Return the name of transformers' preprocessing file, and its table of images: {} if there is no such file."""
    for name in _HF_FILES:
        found = folder.read_file(name)
        if found is not None:
            values = json_files.loads(found, storage.join(folder.path, name), COPY_AGAIN)
            table = values.get("image_processor", values) if isinstance(values, dict) else {}
            return name, table if isinstance(table, dict) else {}
    return _HF_FILES[0], {}


def preprocessing_of(config: CLIPConfig, layout: str) -> dict[str, Any]:
    """Return name -> content of the file from which transformers reads how images are prepared."""
    if layout == OPEN_CLIP:
        return {}
    size = {"height": config.image.size, "width": config.image.size}
    values: dict[str, Any] = {"resample": 3, "image_mean": list(config.image.mean), "image_std": list(config.image.std)}
    values |= dict.fromkeys(("do_convert_rgb", "do_resize", "do_rescale", "do_normalize"), True)
    if type_of(config) == SIGLIP_TYPE:
        values |= {"image_processor_type": "SiglipImageProcessor", "size": size}
    else:
        values |= {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": config.image.size}}
        values |= {"crop_size": size, "do_center_crop": True}
    return {_HF_FILES[0]: values}
