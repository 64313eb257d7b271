"""Reads and writes a CLIP in the layouts of transformers and open_clip: names, positions, configuration."""

import json
import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from corpusloom.trainers.clip.layouts.renames import COUNTERS, RENAMES
from corpusloom.trainers.clip.layouts.shapes import as_json, config_of, preprocessing_of, resized, shape_in
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.tokens.byte_pairs import ClipTokenizer
from corpusloom.trainers.clip.tokens.files import hf_files
from corpusloom.trainers.training.hub.folders import LAYOUTS, Folder, origin_of, write_folder
from corpusloom.trainers.training.hub.renames import load_state, to_ours, to_theirs

POSITIONS = ("image.positions", "image.pool.positions")


def load_weights(model: CLIP, folder: Folder) -> None:
    """Copy a folder's weights into a model of its shape; positions are interpolated to the model's image size."""
    own = model.state_dict()
    state = to_ours(own, folder.tensors, RENAMES[folder.layout], folder.path, ignored=COUNTERS)
    load_state(model, fit_positions(state, own), folder.path)


def fit_positions(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights with the image tower's positions interpolated to the number that a model has, {name: weight}."""
    resized = {
        name: resize_positions(state[name], len(own[name])) for name in state.keys() & own.keys() & set(POSITIONS)
    }
    return {**state, **resized}


def resize_positions(positions: Tensor, tokens: int) -> Tensor:
    """Return the positions of an image, (1 + S, D), interpolated to (`tokens`, D); the first token's stays.

    The interpolation is bicubic with antialiasing.
    """
    if len(positions) == tokens:
        return positions
    old, new = math.isqrt(len(positions) - 1), math.isqrt(tokens - 1)
    grid = positions[1:].float().unflatten(0, (old, old)).permute(2, 0, 1)[None]
    grid = F.interpolate(grid, size=(new, new), mode="bicubic", antialias=True, align_corners=False)
    return torch.cat([positions[:1].float(), grid[0].permute(1, 2, 0).flatten(0, 1)]).to(positions.dtype)


def export(model: CLIP, tokenizer: ClipTokenizer, attachments: Mapping[str, bytes], layout: str, out: str) -> None:
    """Write a CLIP into a folder in another layout.

    If the run began from a folder in this layout, its configuration, tokenizer, files, number formats and order of
    tensors are kept: weights that were not trained give the same bytes.
    """
    origin = origin_of(attachments, layout)
    config = LAYOUTS[layout].config
    if origin is None:
        made = config_of(model.config, layout, tokenizer.start, tokenizer.end)
        files = {**hf_files(tokenizer), **preprocessing_of(model.config, layout), config: as_json(made)}
        write_folder(out, layout, to_theirs(model.state_dict(), RENAMES[layout]), files, {})
        return
    files = dict(origin.files)
    kept = json.loads(files[config])
    if shape_in(kept, layout, config)["image.size"] != model.config.image.size:
        files[config] = as_json(resized(kept, layout, model.config.image.size))
        files |= preprocessing_of(model.config, layout)
    write_folder(out, layout, to_theirs(model.state_dict(), RENAMES[layout]), files, origin.headers)
