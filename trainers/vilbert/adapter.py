"""Reads and writes a ViLBERT in the published layout; reads its text stream from a BERT of transformers.

Names of the published layout are those of the paper's code (arXiv 1908.02265, jiasenlu/vilbert_beta). Parts without a
counterpart in BERT (visual stream, connections, poolers, region and alignment heads) keep fresh weights; the pooler of
a single stream has one.
"""

import re
from collections.abc import Mapping

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors
from tokenizers import Tokenizer
from torch import Tensor

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.training.hub.folders import HF, LAYOUTS, Folder, origin_of, write_folder
from corpusloom.trainers.training.hub.renames import load_state, plain, to_ours, to_theirs
from corpusloom.trainers.training.hub.tensors import entries_of
from corpusloom.trainers.vilbert.model.pretraining import ViLBERT
from corpusloom.trainers.vilbert.model.streams import FROM_BERT, FROM_WORD_HEAD, POOLER
from corpusloom.trainers.vilbert.shapes import config_of
from corpusloom.trainers.vilbert.tokenizer import hf_files

_LAYER = {
    "{}.output.dense.{}": "{}.attention.output.dense.{}",
    "{}.output.norm.{}": "{}.attention.output.LayerNorm.{}",
    "{}.ffw.intermediate.{}": "{}.intermediate.dense.{}",
    "{}.ffw.output.dense.{}": "{}.output.dense.{}",
    "{}.ffw.output.norm.{}": "{}.output.LayerNorm.{}",
    "{}.{}.{}": "{}.attention.self.{}.{}",
}
_CONNECTION = {
    f"{{}}.{side}_{ours}.{{}}": f"{{}}.{theirs}.{{}}"
    for side, number in (("v", 1), ("t", 2))
    for ours, theirs in {
        **{part: f"biattention.{part}{number}" for part in ("query", "key", "value")},
        "output.dense": f"biOutput.dense{number}",
        "output.norm": f"biOutput.LayerNorm{number}",
        "ffw.intermediate": f"{side}_intermediate.dense",
        "ffw.output.dense": f"{side}_output.dense",
        "ffw.output.norm": f"{side}_output.LayerNorm",
    }.items()
}
_PARTS = {
    "text_layers": ("bert.encoder.layer", _LAYER),
    "image_layers": ("bert.encoder.v_layer", _LAYER),
    "connections": ("bert.encoder.c_layer", _CONNECTION),
}
RENAMES = plain(
    {
        "text_embeddings.token.weight": "bert.embeddings.word_embeddings.weight",
        "text_embeddings.position.weight": "bert.embeddings.position_embeddings.weight",
        "text_embeddings.segment.weight": "bert.embeddings.token_type_embeddings.weight",
        "text_embeddings.norm.{}": "bert.embeddings.LayerNorm.{}",
        "region_embeddings.feature.{}": "bert.v_embeddings.image_embeddings.{}",
        "region_embeddings.location.{}": "bert.v_embeddings.image_location_embeddings.{}",
        "region_embeddings.norm.{}": "bert.v_embeddings.LayerNorm.{}",
        "text_pooler.{}": "bert.t_pooler.dense.{}",
        "image_pooler.{}": "bert.v_pooler.dense.{}",
        "word_transform.dense.{}": "cls.predictions.transform.dense.{}",
        "word_transform.norm.{}": "cls.predictions.transform.LayerNorm.{}",
        "word_bias": "cls.predictions.bias",
        "region_transform.dense.{}": "cls.imagePredictions.transform.dense.{}",
        "region_transform.norm.{}": "cls.imagePredictions.transform.LayerNorm.{}",
        "region_decoder.{}": "cls.imagePredictions.decoder.{}",
        "alignment.{}": "cls.bi_seq_relationship.{}",
        **{
            f"{ours}.{inner}": f"{theirs}.{other}"
            for ours, (theirs, table) in _PARTS.items()
            for inner, other in table.items()
        },
    }
)
_ALIASES = (
    (r"^(?=embeddings\.|encoder\.|v_embeddings\.|[tv]_pooler\.|pooler\.)", "bert."),
    (r"\.gamma$", ".weight"),
    (r"\.beta$", ".bias"),
    (r"^cls\.predictions\.decoder\.bias$", "cls.predictions.bias"),
)
"""Names of the first BERT release, and of a BertModel without heads."""
_TIED = "cls.predictions.decoder.weight"
_UNUSED = r"\.q_dense[12]\.|^vil_|^vision_logit\.|^linguisic_logit\.|position_ids$"
"""Tensors of the published model without a counterpart: layers that it never uses, heads of other tasks."""
_TASK_TOKENS = "bert.embeddings.task_embeddings.weight"
_BERT_ALONE = r"^bert\.t_pooler\.|^cls\."
UNUSED_FILE = "unused.tensors"
"""Name of a small safetensors file in a checkpoint; the suffix .safetensors is that of the checkpoint's own tensors."""


def _renamed(name: str) -> str:
    for pattern, replacement in _ALIASES:
        name = re.sub(pattern, replacement, name)
    return name


def load_weights(model: ViLBERT, folder: Folder) -> None:
    """Copy a folder's weights into a model of its shape: a whole ViLBERT, or the text stream of a BERT.

    A BERT's word head is taken if it has one, and its pooler by a single stream. Raises InputError that names the first
    tensor that is missing, unknown or of another shape, and for weights with a token per task (12-in-1, arXiv
    1912.02315), which would miss it here.
    """
    theirs: Mapping[str, Tensor] = {_renamed(name): folder.tensors[name] for name in folder.tensors}
    if _TASK_TOKENS in theirs:
        remedy = "give weights that were trained without --task_specific_tokens"
        raise InputError("has a token for each of its tasks, which this model lacks", where=folder.path, remedy=remedy)
    names = list(model.state_dict())
    if folder.model_type == "bert":
        theirs = {name.replace("bert.pooler.", "bert.t_pooler."): tensor for name, tensor in theirs.items()}
        wanted = FROM_BERT + (FROM_WORD_HEAD if "cls.predictions.bias" in theirs else ())
        wanted += POOLER if model.config.streams == 1 and "bert.t_pooler.dense.weight" in theirs else ()
        names = [name for name in names if name.startswith(wanted)]
    ignored = f"{_UNUSED}|^{re.escape(_TIED)}$" + (f"|{_BERT_ALONE}" if folder.model_type == "bert" else "")
    load_state(model, to_ours(names, theirs, RENAMES, folder.path, ignored=ignored), folder.path)


def attachments_of(folder: Folder) -> dict[str, bytes]:
    """Return the attachments for writing a ViLBERT's folder again: small files, and tensors that are not used."""
    if folder.model_type == "bert":
        return {}
    unused = {name: folder.tensors[name] for name in folder.tensors if re.search(_UNUSED, name)}
    return folder.origin({UNUSED_FILE: dump_tensors(unused)})


def export(model: ViLBERT, tokenizer: Tokenizer, attachments: Mapping[str, bytes], layout: str, out: str) -> None:
    """Write a ViLBERT into a folder in the published layout, whose weights the public code loads.

    If the run began from such a folder, its files, number formats and order of tensors are kept; else the layers that
    the public code has and never uses are zeros.
    """
    if model.config.streams == 1:
        what = "the published layout has two streams, and this model has one (model.streams = 1)"
        raise ConfigError(what, where="PATH", remedy="give a run with two streams")
    if layout != HF:
        raise ConfigError(f"a ViLBERT has no place in the layout {layout}", where="--to", remedy=f"--to {HF}")
    own = to_theirs(model.state_dict(), RENAMES)
    own[_TIED] = own["bert.embeddings.word_embeddings.weight"].clone()  # a file holds no tensor twice
    origin = origin_of(attachments, HF)
    if origin is None:
        files = {**hf_files(tokenizer), LAYOUTS[HF].config: config_of(model.config)}
        write_folder(out, HF, own | _never_used(model), files, {})
        return
    files = {name: data for name, data in origin.files.items() if name != UNUSED_FILE}
    own |= load_tensors(origin.files[UNUSED_FILE])
    written = [name for header in origin.headers.values() for name, _ in entries_of(header)]
    write_folder(out, HF, {name: own[_renamed(name)] for name in written}, files, origin.headers)


def _never_used(model: ViLBERT) -> dict[str, Tensor]:
    """Return zeros for the q_dense layers of each connection."""
    zeros: dict[str, Tensor] = {}
    for number in range(len(model.connections)):
        for index, width in ((1, model.config.v_hidden), (2, model.config.hidden)):
            prefix = f"bert.encoder.c_layer.{number}.biOutput.q_dense{index}"
            zeros[f"{prefix}.weight"] = torch.zeros(width, model.config.co_hidden)
            zeros[f"{prefix}.bias"] = torch.zeros(width)
    return zeros
