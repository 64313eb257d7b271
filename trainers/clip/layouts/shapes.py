"""A model's shape in a folder of transformers or of open_clip, in both directions.

A shape is a flat table of our keys: {"embed_dim": 512, "image.layers": 12 ...}.
"""

import json
from collections.abc import Mapping
from typing import Any

from corpusloom.schemas import storage
from corpusloom.trainers.clip.config import CLIPConfig
from corpusloom.trainers.clip.layouts import open_clip, transformers
from corpusloom.trainers.clip.layouts.preprocessing import mean_and_std_of, preprocessing_of
from corpusloom.trainers.clip.layouts.transformers import MODELS
from corpusloom.trainers.training.hub.folders import LAYOUTS, OPEN_CLIP, Folder


def shape_of(folder: Folder) -> dict[str, Any]:
    """Return the shape in a folder's configuration; ConfigError that names the key of a part that this model lacks."""
    folder.check_type(*MODELS)
    shape = shape_in(folder.config, folder.layout, storage.join(folder.path, LAYOUTS[folder.layout].config))
    return shape | mean_and_std_of(folder)


def shape_in(config: Mapping[str, Any], layout: str, where: str) -> dict[str, Any]:
    """Return the shape in a configuration of a layout."""
    return open_clip.shape_in(config, where) if layout == OPEN_CLIP else transformers.shape_in(config, where)


def new_files(config: CLIPConfig, layout: str, special: Mapping[str, int | None]) -> dict[str, bytes]:
    """Return new files of a layout that say shape and preparation of images.

    `special` are the ids of the tokenizer's special tokens, as transformers names them.
    """
    made = open_clip.config_of(config) if layout == OPEN_CLIP else transformers.config_of(config, special)
    return {LAYOUTS[layout].config: as_json(made)} | preprocessing_files(config, layout)


def preprocessing_files(config: CLIPConfig, layout: str) -> dict[str, bytes]:
    """Return name -> content of the files that say how images are prepared."""
    return {name: as_json(values) for name, values in preprocessing_of(config, layout).items()}


def as_json(value: Mapping[str, Any]) -> bytes:
    """Return the bytes of a JSON file as transformers writes it."""
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()


def resized(config: dict[str, Any], layout: str, size: int) -> dict[str, Any]:
    """Return a configuration with another image size."""
    if layout == OPEN_CLIP:
        model = config["model_cfg"]
        return {**config, "model_cfg": {**model, "vision_cfg": {**model["vision_cfg"], "image_size": size}}}
    names = [name for name in ("vision_config", "vision_config_dict") if config.get(name)]
    return {**config, **{name: {**config[name], "image_size": size} for name in names or ["vision_config"]}}
