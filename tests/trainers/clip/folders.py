"""Small CLIPs and SigLIPs in the layouts of transformers and open_clip, with their tokenizers."""

import json
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import save_file
from transformers import CLIPConfig as TheirConfig
from transformers import CLIPModel, CLIPTokenizer, SiglipConfig, SiglipModel

from corpusloom.trainers.clip.config import CLIPConfig, ImageTowerConfig, TextTowerConfig
from corpusloom.trainers.clip.tokens.byte_pairs import ClipTokenizer, learn_merges
from corpusloom.trainers.clip.tokens.padded import PaddedTokenizer, from_merges, hf_files

Model = TypeVar("Model", bound=torch.nn.Module)
TEXTS = ["a red square, number 1", "a green disc, number 2", "a blue square", "a yellow disc"] * 3
TOKENIZER = ClipTokenizer(learn_merges(TEXTS, 560), context=12)
SIGLIP_TOKENIZER: PaddedTokenizer = from_merges(TOKENIZER.merges, context=12)


def their_model(**vision: int) -> CLIPModel:
    """Return a CLIPModel with random weights, wide enough that every part affects the outputs."""
    torch.manual_seed(0)
    common = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 64}
    text: dict[str, Any] = common | {"vocab_size": TOKENIZER.vocab_size, "max_position_embeddings": 12}
    text |= {"bos_token_id": TOKENIZER.start, "eos_token_id": TOKENIZER.end}
    image = common | {"image_size": 16, "patch_size": 8} | vision
    return perturbed(CLIPModel(TheirConfig(text_config=text, vision_config=image, projection_dim=8)))


def perturbed(model: Model) -> Model:
    """Return a model in evaluation mode after its weights, biases among them, were changed at random."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


def their_siglip() -> SiglipModel:
    """Return a SiglipModel with random weights, and MLPs that are not 4 times as wide."""
    torch.manual_seed(0)
    common = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 40}
    text: dict[str, Any] = common | {"vocab_size": SIGLIP_TOKENIZER.vocab_size, "max_position_embeddings": 12}
    text |= SIGLIP_TOKENIZER.special_ids
    return perturbed(
        SiglipModel(SiglipConfig(text_config=text, vision_config=common | {"image_size": 16, "patch_size": 8}))
    )


def siglip_folder(path: Path, **saving: Any) -> tuple[str, SiglipModel]:
    """Write a folder as transformers does; return its path and the model."""
    model = their_siglip()
    model.save_pretrained(path, **saving)
    for name, data in hf_files(SIGLIP_TOKENIZER).items():
        (path / name).write_bytes(data)
    return str(path), model


def hf_folder(path: Path, *, tokenizer: bool = True, **saving: Any) -> tuple[str, CLIPModel]:
    """Write a folder as transformers does; return its path and the model."""
    model = their_model()
    model.save_pretrained(path, **saving)
    if tokenizer:
        CLIPTokenizer(vocab=TOKENIZER.vocabulary, merges=list(TOKENIZER.merges)).save_pretrained(path)
    return str(path), model


def open_clip_folder(path: Path, state: dict[str, torch.Tensor], **vision: Any) -> str:
    """Write a folder in open_clip's layout."""
    path.mkdir()
    text = {"context_length": 12, "vocab_size": TOKENIZER.vocab_size, "width": 16, "heads": 2, "layers": 2}
    image = {"image_size": 16, "layers": 2, "width": 16, "head_width": 8, "patch_size": 8} | vision
    config = {"model_cfg": {"embed_dim": 8, "vision_cfg": image, "text_cfg": text}, "preprocess_cfg": {}}
    (path / "open_clip_config.json").write_text(json.dumps(config))
    (path / "merges.txt").write_bytes(TOKENIZER.to_bytes())
    save_file(state, path / "open_clip_model.safetensors", {"format": "pt"})
    return str(path)


def our_config(*, resnet: bool = False, **changes: Any) -> CLIPConfig:
    """Return the shape of these models."""
    image = ImageTowerConfig(size=16, layers=2, width=16, heads=2, patch=8)
    if resnet:
        image = ImageTowerConfig(size=32, layers=(1, 1, 1, 1), width=8, heads=4)
    text = TextTowerConfig(vocab_size=TOKENIZER.vocab_size, context=12, layers=2, width=16, heads=2)
    return CLIPConfig(**({"embed_dim": 8, "image": image, "text": text} | changes))


def siglip_config(**changes: Any) -> CLIPConfig:
    """Return the shape of the small SigLIP."""
    half = (0.5, 0.5, 0.5)
    image = ImageTowerConfig(
        size=16, layers=2, width=16, heads=2, patch=8, mlp=40, pool="map", mean=half, std=half, resize="squash"
    )
    text = TextTowerConfig(
        vocab_size=SIGLIP_TOKENIZER.vocab_size, context=12, layers=2, width=16, heads=2, mlp=40, pool="last",
        causal=False,
    )  # fmt: skip
    values = {"embed_dim": 16, "image": image, "text": text, "activation": "gelu_tanh", "norm_eps": 1e-6}
    return CLIPConfig(**(values | {"loss": "sigmoid"} | changes))
