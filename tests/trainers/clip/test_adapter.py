"""All names of transformers and open_clip have a counterpart here; test_model compares the outputs."""

import pytest
import torch

from corpusloom.trainers.clip.adapter import from_any, from_open_clip, from_transformers
from corpusloom.trainers.clip.config import CLIPConfig, ImageTowerConfig, TextTowerConfig
from corpusloom.trainers.clip.model import CLIP


def test_every_name_is_known_and_the_logit_scale_gets_its_shape() -> None:
    from transformers import CLIPConfig as TheirConfig
    from transformers import CLIPModel

    common = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 64}
    text = common | {"vocab_size": 30, "max_position_embeddings": 7}
    with torch.device("meta"):
        theirs = CLIPModel(
            TheirConfig(text_config=text, vision_config=common | {"image_size": 16, "patch_size": 8}, projection_dim=8)
        )
        image = ImageTowerConfig(size=16, layers=2, width=16, heads=2, patch=8)
        ours = CLIP(
            CLIPConfig(
                embed_dim=8, image=image, text=TextTowerConfig(vocab_size=30, context=7, layers=2, width=16, heads=2)
            )
        )
    renamed = from_transformers(theirs.state_dict())
    expected = {name: tensor.shape for name, tensor in ours.state_dict().items()}
    assert {name: tensor.shape for name, tensor in renamed.items()} == expected


TEXT_NAMES = [
    "positional_embedding",
    "text_projection",
    "logit_scale",
    "token_embedding.weight",
    "ln_final.weight",
    "ln_final.bias",
    "transformer.resblocks.0.ln_1.weight",
    "transformer.resblocks.0.ln_1.bias",
    "transformer.resblocks.0.attn.in_proj_weight",
    "transformer.resblocks.0.attn.in_proj_bias",
    "transformer.resblocks.0.attn.out_proj.weight",
    "transformer.resblocks.0.attn.out_proj.bias",
    "transformer.resblocks.0.ln_2.weight",
    "transformer.resblocks.0.ln_2.bias",
    "transformer.resblocks.0.mlp.c_fc.weight",
    "transformer.resblocks.0.mlp.c_fc.bias",
    "transformer.resblocks.0.mlp.c_proj.weight",
    "transformer.resblocks.0.mlp.c_proj.bias",
]
BLOCK_NAMES = [f"visual.{name}" for name in TEXT_NAMES if name.startswith("transformer")]
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def vit_names() -> list[str]:
    norms = [f"visual.{norm}.{end}" for norm in ("ln_pre", "ln_post") for end in ("weight", "bias")]
    first = ["visual.class_embedding", "visual.positional_embedding", "visual.proj", "visual.conv1.weight"]
    return [*TEXT_NAMES, *BLOCK_NAMES, *norms, *first]


def resnet_names() -> list[str]:
    stem = [f"visual.conv{n}.weight" for n in (1, 2, 3)] + [f"visual.bn{n}.{end}" for n in (1, 2, 3) for end in NORM]
    stages = []
    for stage in (1, 2, 3, 4):
        head = f"visual.layer{stage}.0."
        stages += [f"{head}conv{n}.weight" for n in (1, 2, 3)] + [
            f"{head}bn{n}.{end}" for n in (1, 2, 3) for end in NORM
        ]
        stages += [f"{head}downsample.0.weight", *(f"{head}downsample.1.{end}" for end in NORM)]
    pool = [f"visual.attnpool.{part}_proj.{end}" for part in "qkvc" for end in ("weight", "bias")]
    return [*TEXT_NAMES, *stem, *stages, *pool, "visual.attnpool.positional_embedding"]


@pytest.mark.parametrize(
    ("names", "image"),
    [
        (vit_names(), ImageTowerConfig(size=16, layers=1, width=16, heads=2, patch=8)),
        (resnet_names(), ImageTowerConfig(size=32, layers=(1, 1, 1, 1), width=8, heads=2)),
    ],
    ids=["vit", "resnet"],
)
def test_every_name_of_open_clip_becomes_one_of_ours(names: list[str], image: ImageTowerConfig) -> None:
    with torch.device("meta"):
        ours = CLIP(
            CLIPConfig(image=image, text=TextTowerConfig(vocab_size=30, context=7, layers=1, width=16, heads=2))
        )
    renamed = from_open_clip({name: torch.zeros(1, 1) for name in names})
    assert set(renamed) == set(ours.state_dict())
    assert len(renamed) == len(names)


def test_projections_of_open_clip_are_transposed_and_the_layout_is_recognised() -> None:
    state = {"visual.proj": torch.arange(6.0).view(2, 3), "logit_scale": torch.tensor(2.0)}
    ours = from_any(state)
    assert ours["image.projection.weight"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert ours["logit_scale"].tolist() == [2.0]
    assert "text.ln_final.weight" in from_any({"text_model.final_layer_norm.weight": torch.ones(3)})
