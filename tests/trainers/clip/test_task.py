"""CLIP trained on a dataset: it learns, is evaluated, and is loaded from its checkpoint."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.data import evaluation_image
from corpusloom.trainers.clip.evaluate import class_embeddings, zero_shot
from corpusloom.trainers.clip.task import build_task, load_clip, load_initial
from corpusloom.trainers.run import run
from corpusloom.trainers.training.config import RunConfig, load_config
from tests.trainers.datasets import coloured_pairs, write_pairs

CLASSES = [f"{colour} {shape}" for shape in ("square", "disc") for colour in ("red", "green", "blue", "yellow")]


def config(*assignments: str) -> RunConfig:
    small = ["train.steps=60", "train.warmup=5", "train.batch_size=32", "model.image.layers=[1, 1]"]
    return load_config("clip-tiny", [*small, *assignments])


def test_a_clip_learns_to_classify_images_that_it_has_not_seen(tmp_path: Path) -> None:
    pairs = [*coloured_pairs(160), *coloured_pairs(40, "val", first=160)]
    data = write_pairs(tmp_path / "pairs", pairs)
    result = run("clip", config('data.split="train"', 'data.evaluate="val"'), [data], str(tmp_path / "run"))
    assert set(result.evaluation) >= {"image_retrieval_r1", "text_retrieval_r10"}
    model, tokenizer = load_clip(str(tmp_path / "run"))
    held_out = coloured_pairs(80, first=1000)
    images = torch.stack([torch.from_numpy(evaluation_image(pair.image, 32)) for pair in held_out])
    labels = torch.tensor([number % 8 for number in range(1000, 1080)])
    weights = class_embeddings(model, tokenizer, CLASSES, ["a {c}, number 1", "a {c}, number 2"])
    with torch.no_grad():
        figures = dict(zero_shot(model.encode_image(images), labels, weights))
    assert figures["top1_low"] > 2 * figures["chance"]


def test_a_batch_has_images_tokens_and_keys(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "pairs", coloured_pairs(12))
    task = build_task(config("train.batch_size=5"), {"pairs": (data, 1.0)})
    batch = next(task.stream)
    assert batch["image"].shape == (5, 3, 32, 32)
    assert batch["tokens"].shape == (5, 24)
    assert len(batch["keys"]) == 5
    assert task.attachments["tokenizer.txt"].startswith(b"#version")


def test_two_datasets_are_mixed_by_weight(tmp_path: Path) -> None:
    one = write_pairs(tmp_path / "one", coloured_pairs(8))
    two = write_pairs(tmp_path / "two", coloured_pairs(8, first=8))
    task = build_task(config("train.batch_size=40"), {"one": (one, 3.0), "two": (two, 1.0)})
    keys = next(task.stream)["keys"]
    own = {line for line in keys if keys.count(line) > 2}
    assert len(keys) == 40
    assert own


def test_initial_weights_are_read_in_transformers_layout(tmp_path: Path) -> None:
    from transformers import CLIPConfig as TheirConfig
    from transformers import CLIPModel

    from corpusloom.trainers.clip.config import CLIPConfig, ImageTowerConfig, TextTowerConfig
    from corpusloom.trainers.clip.model import CLIP

    common = {"num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 64}
    text = common | {"vocab_size": 30, "max_position_embeddings": 7}
    vision = common | {"image_size": 16, "patch_size": 8}
    theirs = CLIPModel(TheirConfig(text_config=text, vision_config=vision, projection_dim=8))
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    image = ImageTowerConfig(size=32, layers=1, width=16, heads=2, patch=8)
    shape = TextTowerConfig(vocab_size=30, context=7, layers=1, width=16, heads=2)
    model = CLIP(CLIPConfig(embed_dim=8, image=image, text=shape))
    load_initial(model, str(tmp_path / "model.safetensors"))
    assert model.image.positions.shape == (17, 16)
    assert torch.equal(model.text.positions, theirs.text_model.embeddings.position_embedding.weight)


def test_an_unknown_key_of_the_model_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"did you mean image\.patch_dropout"):
        build_task(config("model.image.patch_dropuot=0.5"), {"x": (str(tmp_path), 1.0)})


def test_a_batch_too_small_to_normalise_over_is_refused_before_the_data_are_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"clip-tiny: train\.batch_size is 1.*give 2 or more"):
        build_task(load_config("clip-tiny", ["train.batch_size=1"]), {"x": (str(tmp_path), 1.0)})
