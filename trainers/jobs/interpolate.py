"""Interpolates the weights of a fine-tuned model and of the one that it began from (WiSE-FT, arXiv 2109.01903)."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers import registry
from corpusloom.trainers.training.hub.folders import ORIGIN


@dataclass(frozen=True, slots=True)
class Interpolation:
    """The other end of a path between two models, and a place on it."""

    initial: str
    """Path of the model at the start: a run, a checkpoint or a model folder."""
    alpha: float
    """Share of the fine-tuned weights: 0 gives the initial model, 1 the fine-tuned one."""


def parse_interpolation(text: str) -> Interpolation:
    """Return the interpolation of PATH:ALPHA; ConfigError unless ALPHA is a number from 0 to 1."""
    path, _, share = text.rpartition(":")
    try:
        alpha = float(share)
    except ValueError:
        alpha = -1.0
    if not path or not 0 <= alpha <= 1:
        remedy = "give INITIAL:ALPHA, ALPHA from 0 (the initial weights) to 1, such as runs/base:0.5"
        raise ConfigError(f"{text!r} is not INITIAL:ALPHA", where="--interpolate", remedy=remedy)
    return Interpolation(path, alpha)


@torch.no_grad()
def interpolate(model: nn.Module, attachments: Mapping[str, bytes], interpolation: Interpolation) -> None:
    """Replace a model's weights by (1 - alpha) * initial + alpha * own; statistics of batch norms as well, not counts.

    `attachments` are those of the model's checkpoint. Raises InputError unless both models have the same vocabulary and
    weights of the same names and shapes.
    """
    other = registry.open_model(interpolation.initial)
    _check_vocabulary(attachments, other.attachments, interpolation.initial)
    own, initial = model.state_dict(), other.model.state_dict()
    shapes, found = ({name: tuple(value.shape) for name, value in state.items()} for state in (own, initial))
    for name in (*shapes, *found):
        if shapes.get(name) != found.get(name):
            what = f"{name} is {found.get(name, 'not there')}, and {shapes.get(name, 'not there')} in the model"
            remedy = "give the model that the fine-tuning began from"
            raise InputError(f"weights of another model: {what}", where=interpolation.initial, remedy=remedy)
    for name, value in own.items():
        if value.is_floating_point():
            value.copy_(torch.lerp(initial[name].to(value), value, interpolation.alpha))


def _check_vocabulary(own: Mapping[str, bytes], other: Mapping[str, bytes], where: str) -> None:
    tokens, others = ({name: files[name] for name in files if not name.startswith(ORIGIN)} for files in (own, other))
    if tokens != others:
        remedy = "give the model that the fine-tuning began from"
        raise InputError("has another vocabulary than the fine-tuned model", where=where, remedy=remedy)
