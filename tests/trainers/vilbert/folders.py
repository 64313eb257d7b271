"""Small BERTs in transformers' layout and ViLBERTs in the published one, with their vocabularies."""

from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertForPreTraining

from tests.trainers.vilbert.small import small_config

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "a",
    "red",
    "green",
    "blue",
    "square",
    "disc",
    "##s",
    ",",
    "number",
]


def their_bert(**changes: int) -> BertForPreTraining:
    """Return a BERT of the small ViLBERT's text stream."""
    torch.manual_seed(1)
    values = {"vocab_size": 50, "hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 4}
    values |= {"intermediate_size": 40, "max_position_embeddings": 16}
    config = BertConfig(**(values | changes), initializer_range=0.2, attn_implementation="eager")
    return BertForPreTraining(config).eval()


def bert_folder(path: Path, *, heads: bool = True, vocabulary: bool = True, **changes: Any) -> tuple[str, Any]:
    """Write a BERT as transformers does; return the folder's path and the model."""
    model = their_bert(**changes)
    (model if heads else model.bert).save_pretrained(path)
    if vocabulary:
        (path / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    return str(path), model


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Return names and shapes of the public code's state of the small ViLBERT, written down from its vilbert.py."""
    config = small_config()
    h, v, co, ffw, v_ffw = config.hidden, config.v_hidden, config.co_hidden, config.ffw, config.v_ffw
    shapes: dict[str, tuple[int, ...]] = {}

    def linear(name: str, inner: int, outer: int) -> None:
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (outer, inner), (outer,)

    def norm(name: str, width: int) -> None:
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (width,), (width,)

    def layer(name: str, width: int, inner: int) -> None:
        for part in ("query", "key", "value"):
            linear(f"{name}.attention.self.{part}", width, width)
        linear(f"{name}.attention.output.dense", width, width)
        norm(f"{name}.attention.output.LayerNorm", width)
        linear(f"{name}.intermediate.dense", width, inner)
        linear(f"{name}.output.dense", inner, width)
        norm(f"{name}.output.LayerNorm", width)

    for name, rows in (("word", config.vocab_size), ("position", config.max_tokens), ("token_type", 2)):
        shapes[f"bert.embeddings.{name}_embeddings.weight"] = (rows, h)
    norm("bert.embeddings.LayerNorm", h)
    linear("bert.v_embeddings.image_embeddings", config.feature_width, v)
    linear("bert.v_embeddings.image_location_embeddings", 5, v)
    norm("bert.v_embeddings.LayerNorm", v)
    for number in range(config.layers):
        layer(f"bert.encoder.layer.{number}", h, ffw)
    for number in range(config.v_layers):
        layer(f"bert.encoder.v_layer.{number}", v, v_ffw)
    for number in range(len(config.v_connections)):
        name = f"bert.encoder.c_layer.{number}"
        for index, width, side, inner in ((1, v, "v", v_ffw), (2, h, "t", ffw)):
            for part in ("query", "key", "value"):
                linear(f"{name}.biattention.{part}{index}", width, co)
            linear(f"{name}.biOutput.dense{index}", co, width)
            norm(f"{name}.biOutput.LayerNorm{index}", width)
            linear(f"{name}.biOutput.q_dense{index}", co, width)
            linear(f"{name}.{side}_intermediate.dense", width, inner)
            linear(f"{name}.{side}_output.dense", inner, width)
            norm(f"{name}.{side}_output.LayerNorm", width)
    linear("bert.t_pooler.dense", h, co)
    linear("bert.v_pooler.dense", v, co)
    linear("cls.predictions.transform.dense", h, h)
    norm("cls.predictions.transform.LayerNorm", h)
    shapes |= {"cls.predictions.bias": (config.vocab_size,), "cls.predictions.decoder.weight": (config.vocab_size, h)}
    linear("cls.bi_seq_relationship", co, 2)
    linear("cls.imagePredictions.transform.dense", v, v)
    norm("cls.imagePredictions.transform.LayerNorm", v)
    linear("cls.imagePredictions.decoder", v, config.class_count)
    return shapes
