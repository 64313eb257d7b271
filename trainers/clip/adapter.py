"""Reads and writes a CLIP or SigLIP in the layouts of transformers and open_clip: names, positions, configuration."""

import json
from collections.abc import Mapping

from torch import Tensor

from corpusloom.trainers.clip.layouts.renames import COUNTERS, renames_of
from corpusloom.trainers.clip.layouts.shapes import as_json, new_files, preprocessing_files, resized, shape_in
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.tokens.of_model import CaptionTokenizer, hf_files
from corpusloom.trainers.clip.towers.positions import resize_positions
from corpusloom.trainers.training.hub.folders import LAYOUTS, Folder, origin_of, write_folder
from corpusloom.trainers.training.hub.renames import load_state, to_ours, to_theirs

POSITIONS = ("image.positions", "image.pool.positions")


def load_weights(model: CLIP, folder: Folder) -> None:
    """Copy a folder's weights into a model of its shape; positions are interpolated to the model's image size."""
    own = model.state_dict()
    state = to_ours(own, folder.tensors, renames_of(model.config, folder.layout), folder.path, ignored=COUNTERS)
    load_state(model, fit_positions(state, own), folder.path)


def fit_positions(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights with the image tower's positions interpolated to the number that a model has, {name: weight}."""
    fixed = 0 if "image.pool.probe" in own else 1
    resized = {
        name: resize_positions(state[name], len(own[name]), fixed)
        for name in state.keys() & own.keys() & set(POSITIONS)
    }
    return {**state, **resized}


def export(model: CLIP, tokenizer: CaptionTokenizer, attachments: Mapping[str, bytes], layout: str, out: str) -> None:
    """Write a CLIP into a folder in another layout.

    If the run began from a folder in this layout, its configuration, tokenizer, files, number formats and order of
    tensors are kept: weights that were not trained give the same bytes.
    """
    origin, renames = origin_of(attachments, layout), renames_of(model.config, layout)
    if origin is None:
        files = new_files(model.config, layout, tokenizer.special_ids)
        write_folder(out, layout, to_theirs(model.state_dict(), renames), {**hf_files(tokenizer), **files}, {})
        return
    files, config = dict(origin.files), LAYOUTS[layout].config
    kept = json.loads(files[config])
    if shape_in(kept, layout, config)["image.size"] != model.config.image.size:
        files[config] = as_json(resized(kept, layout, model.config.image.size))
        files |= preprocessing_files(model.config, layout)
    write_folder(out, layout, to_theirs(model.state_dict(), renames), files, origin.headers)
