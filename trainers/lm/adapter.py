"""Language models in Hugging Face's layout: a folder with config.json and safetensors, read and written."""

import contextlib
import copy
import difflib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PretrainedConfig, PreTrainedModel
from transformers.core_model_loading import revert_weight_conversion
from transformers.utils import logging as library_logging

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.lm.model import CausalLM
from corpusloom.trainers.lm.tokenizer import SPECIAL, TOKENIZER, TextTokenizer
from corpusloom.trainers.training.hub.folders import HF, LAYOUTS, origin_of, read_folder, write_folder
from corpusloom.trainers.training.hub.tensors import entries_of

NO_REMOTE_CODE = {"local_files_only": True, "trust_remote_code": False}
"""Arguments with which the library reads this folder only, and runs no code of it."""
_NEEDS_TOKENIZER = "the folder needs tokenizer.json, or the files from which transformers makes it"
_NO_SHAPE = {"architectures", "id2label", "label2id", "transformers_version"}
"""Keys of a config.json that say nothing of a causal language model's layers."""


def read_config(folder: str) -> PretrainedConfig:
    """Return the configuration of a model's folder."""
    if not storage.is_local(folder):
        raise InputError("not on a local disk", where=folder, remedy="copy the folder to one")
    read_folder(folder)
    try:
        with quiet():  # it warns of special tokens beyond a small vocabulary
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


def shape_of(config: PretrainedConfig) -> dict[str, Any]:
    """Return a configuration as the table that `make_config` takes."""
    known = type(config)().to_dict().keys() - _NO_SHAPE
    return {name: value for name, value in config.to_dict().items() if name in known and value is not None}


def fresh(config: PretrainedConfig, dtype: torch.dtype = torch.float32) -> CausalLM:
    """Return a model with random weights, on torch's default device."""
    stored = config.dtype or torch.float32
    try:
        with quiet():
            network = AutoModelForCausalLM.from_config(copy.deepcopy(config), dtype=dtype, trust_remote_code=False)
    except ValueError as error:
        raise ConfigError(f"{config.model_type} has no causal language model", where="language model") from error
    network.config.dtype = stored  # that of exported weights
    return CausalLM(_decoder(network, "language model"))


def load(folder: str, dtype: torch.dtype = torch.float32) -> CausalLM:
    """Return the model of a folder, in evaluation mode; on the meta device without reading its weights."""
    config = read_config(folder)
    if torch.empty(0).device.type == "meta":
        return fresh(config, dtype).eval()
    network: PreTrainedModel = load_network(AutoModelForCausalLM, folder, dtype)
    return CausalLM(_decoder(network, folder)).eval()


def load_network(kind: Any, folder: str, dtype: torch.dtype) -> Any:
    """Return the library's model of a folder, by its class or `Auto...` class, in evaluation mode.

    Raises InputError or DamageError for weights that are missing, cut short, pickled or of another shape.
    """
    _ = read_folder(folder).tensors  # reads the headers: pickles, missing shards and files cut short are errors here
    try:
        with quiet():
            network, found = kind.from_pretrained(
                folder,
                dtype=dtype,
                use_safetensors=True,
                ignore_mismatched_sizes=True,  # they are an error below, with their names
                output_loading_info=True,
                **NO_REMOTE_CODE,
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(f"the weights cannot be read: {_one_line(error)}", where=folder) from error
    if wrong := [*found["missing_keys"], *(names[0] for names in found["mismatched_keys"])]:
        raise InputError(
            f"{len(wrong)} weights are missing or of another shape, such as {sorted(wrong)[0]}",
            where=folder,
            remedy="config.json and the weights must be of one model of this kind",
        )
    return network


def load_tokenizer(folder: str) -> TextTokenizer:
    """Return the tokenizer of a model's folder. One without an end token is refused: generation would not stop.

    So is one of special tokens alone, which transformers makes of a folder without a tokenizer's files.
    """
    try:
        with quiet():
            found = AutoTokenizer.from_pretrained(folder, use_fast=True, **NO_REMOTE_CODE)
            backend = found.backend_tokenizer
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise InputError(
            f"no tokenizer can be read: {_one_line(error)}", where=folder, remedy=_NEEDS_TOKENIZER
        ) from error
    if found.get_vocab().keys() <= set(found.all_special_tokens):
        raise InputError("no tokenizer: there is no token of a text", where=folder, remedy=_NEEDS_TOKENIZER)
    if found.eos_token_id is None:
        raise InputError(
            "a language model without an end token",
            where=folder,
            remedy=f"name its eos_token in {SPECIAL}",
        )
    ids = (found.bos_token_id, found.eos_token_id, found.pad_token_id)
    return TextTokenizer(backend, *(found.eos_token_id if number is None else number for number in ids))


def export(model: CausalLM, attachments: Mapping[str, bytes], layout: str, out: str) -> None:
    """Write a checkpoint's model into a new folder that the library reads, with the tokenizer of the attachments.

    The weights have the `dtype` of the configuration. If the run began from a folder, that one's small files, number
    formats and order of tensors are kept.
    """
    if layout != HF:
        raise ConfigError(f"a language model has no place in the layout {layout}", where="--to", remedy=f"--to {HF}")
    weights = _untied(model.network)
    origin = origin_of(attachments, HF)
    if origin is not None:
        written = [name for header in origin.headers.values() for name, _ in entries_of(header)]
        prefix = f"{model.network.base_model_prefix}."  # files of a model without its head leave it out
        named = {name: weights.get(name, weights.get(prefix + name)) for name in written}
        known = {name: tensor for name, tensor in named.items() if tensor is not None}
        if len(known) == len(written):
            write_folder(out, HF, known, origin.files, origin.headers)
            return
    config = copy.deepcopy(model.config)
    config.architectures = [type(model.network).__name__]
    files = {name: attachments[name] for name in (TOKENIZER, SPECIAL)}
    files[LAYOUTS[HF].config] = config.to_json_string().encode()
    dtype = config.dtype or torch.float32
    write_folder(out, HF, {name: tensor.to(dtype) for name, tensor in weights.items()}, files, {})


def _untied(network: PreTrainedModel) -> dict[str, Tensor]:
    """Return the weights by their names in files, those that share memory once."""
    state = network.state_dict()
    first = {tensor.data_ptr(): name for name, tensor in reversed(state.items())}
    once = {name: tensor for name, tensor in state.items() if first[tensor.data_ptr()] == name}
    return dict(revert_weight_conversion(network, once))


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
