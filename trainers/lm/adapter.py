"""Language models in Hugging Face's layout: a folder with config.json and safetensors, read and written."""

import contextlib
import difflib
import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PretrainedConfig, PreTrainedModel
from transformers.utils import logging as library_logging

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.lm.model import CausalLM
from corpusloom.trainers.lm.tokenizer import SPECIAL, TextTokenizer

NO_REMOTE_CODE = {"local_files_only": True, "trust_remote_code": False}
"""Arguments with which the library reads this folder only, and runs no code of it."""


def read_config(folder: str) -> PretrainedConfig:
    """Return the configuration of a model's folder."""
    if not os.path.isfile(os.path.join(folder, "config.json")):
        raise InputError(
            "no config.json", where=folder, remedy="give a folder in Hugging Face's layout, on a local disk"
        )
    try:
        return AutoConfig.from_pretrained(folder, **NO_REMOTE_CODE)
    except (OSError, ValueError, KeyError, TypeError, StrictDataclassError) as error:
        raise InputError(f"config.json cannot be read: {_one_line(error)}", where=folder) from error


def make_config(shape: Mapping[str, Any], where: str) -> PretrainedConfig:
    """Return the configuration of a table: `model_type`, and keys of its config.json; others are errors."""
    values = dict(shape)
    kind = values.pop("model_type", None)
    try:
        known = AutoConfig.for_model(kind).to_dict() | AutoConfig.for_model(kind).attribute_map
    except ValueError as error:
        raise ConfigError(
            f"transformers has no model_type {kind!r}", where=where, remedy='e.g. model_type = "llama"'
        ) from error
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise ConfigError(
                f"unknown key {name} of {kind}", where=where, remedy=f"did you mean {near[0]}?" if near else ""
            )
    try:
        with quiet():  # it warns of special tokens beyond a small vocabulary
            return AutoConfig.for_model(kind, **values)
    except (ValueError, TypeError, StrictDataclassError) as error:
        raise ConfigError(f"not a configuration of {kind}: {_one_line(error)}", where=where) from error


def fresh(config: PretrainedConfig, dtype: torch.dtype = torch.float32) -> CausalLM:
    """Return a model with random weights, on torch's default device."""
    try:
        with quiet():
            network = AutoModelForCausalLM.from_config(config, dtype=dtype, trust_remote_code=False)
    except ValueError as error:
        raise ConfigError(f"{config.model_type} has no causal language model", where="language model") from error
    return CausalLM(_decoder(network, "language model"))


def load(folder: str, dtype: torch.dtype = torch.float32) -> CausalLM:
    """Return the model of a folder, in evaluation mode; on the meta device without reading its weights.

    Raises InputError for weights that are missing or of another shape, and for files of pickles.
    """
    config = read_config(folder)
    if torch.empty(0).device.type == "meta":
        return fresh(config, dtype).eval()
    check_safetensors(folder)
    try:
        with quiet():
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=dtype,
                use_safetensors=True,
                ignore_mismatched_sizes=True,  # they are an error below, with their names
                output_loading_info=True,
                **NO_REMOTE_CODE,
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(f"the weights cannot be read: {_one_line(error)}", where=folder) from error
    network, found = loaded
    if wrong := [*found["missing_keys"], *(names[0] for names in found["mismatched_keys"])]:
        raise InputError(
            f"{len(wrong)} weights are missing or of another shape, such as {sorted(wrong)[0]}",
            where=folder,
            remedy="config.json and the weights must be of one model with a language-model head",
        )
    return CausalLM(_decoder(network, folder)).eval()


def load_tokenizer(folder: str) -> TextTokenizer:
    """Return the tokenizer of a model's folder. One without an end token is refused: generation would not stop."""
    try:
        with quiet():
            found = AutoTokenizer.from_pretrained(folder, use_fast=True, **NO_REMOTE_CODE)
            backend = found.backend_tokenizer
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise InputError(
            f"no tokenizer can be read: {_one_line(error)}",
            where=folder,
            remedy="the folder needs tokenizer.json, or the files from which transformers makes it",
        ) from error
    if found.eos_token_id is None:
        raise InputError(
            "a language model without an end token",
            where=folder,
            remedy=f"name its eos_token in {SPECIAL}",
        )
    ids = (found.bos_token_id, found.eos_token_id, found.pad_token_id)
    return TextTokenizer(backend, *(found.eos_token_id if number is None else number for number in ids))


def check_safetensors(folder: str) -> None:
    """Raise InputError for a folder whose weights are missing or pickles."""
    names = os.listdir(folder)
    if any(name.endswith(".safetensors") for name in names):
        return
    pickles = sorted(name for name in names if name.endswith((".bin", ".pt", ".pth")))
    if pickles:
        raise InputError(
            f"{pickles[0]} is a pickle, which can run code", where=folder, remedy="convert it once: loom import-model"
        )
    raise InputError("no safetensors", where=folder, remedy="give a folder with model.safetensors")


def _decoder(network: PreTrainedModel, where: str) -> PreTrainedModel:
    """Return the network if it is one of a decoder alone, with a head and positions that can be bounded."""
    causal = any(getattr(module, "is_causal", False) for module in network.modules())
    decoder = causal and not network.config.is_encoder_decoder and network.get_output_embeddings() is not None
    if not decoder or not hasattr(network.config, "max_position_embeddings"):
        raise InputError(
            f"{type(network).__name__} is not a decoder-only language model with a limit of positions",
            where=where,
            remedy="use one such as GPT-2, OPT, Llama, GPT-NeoX or Qwen",
        )
    return network


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the library's progress bars and log lines off the terminal; what matters of them is an error here."""
    level, bars = library_logging.get_verbosity(), library_logging.is_progress_bar_enabled()
    library_logging.set_verbosity(logging.CRITICAL)
    library_logging.disable_progress_bar()
    try:
        yield
    finally:
        library_logging.set_verbosity(level)
        if bars:
            library_logging.enable_progress_bar()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
