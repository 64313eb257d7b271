"""The whole CLIP: the outputs of transformers' CLIPModel, the paper's sizes, the limits of the logit scale."""

import math

import pytest
import torch
from torch import Tensor

from corpusloom.trainers.clip.config import CLIPConfig, ImageTowerConfig, TextTowerConfig
from corpusloom.trainers.clip.layouts.renames import RENAMES
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.registry import build_model
from corpusloom.trainers.training.config import load_config
from corpusloom.trainers.training.hub.folders import HF
from corpusloom.trainers.training.hub.renames import to_ours

EOT = 99


def small(quick_gelu: bool = True, **text: object) -> CLIP:
    shape = {"vocab_size": 100, "context": 12, "layers": 2, "width": 32, "heads": 4} | text
    image = ImageTowerConfig(size=32, layers=2, width=48, heads=4, patch=8)
    return CLIP(CLIPConfig(embed_dim=24, quick_gelu=quick_gelu, image=image, text=TextTowerConfig(**shape)))


def tokens() -> Tensor:
    rows = torch.randint(1, 98, (3, 12), generator=torch.Generator().manual_seed(3))
    rows[:, 0] = 98
    for number, end in enumerate((5, 11, 8)):
        rows[number, end] = EOT
        rows[number, end + 1 :] = 0
    return rows


@pytest.mark.parametrize("quick_gelu", [True, False])
def test_both_towers_and_the_logits_are_those_of_transformers(quick_gelu: bool) -> None:
    from transformers import CLIPConfig as TheirConfig
    from transformers import CLIPModel

    act = "quick_gelu" if quick_gelu else "gelu"
    common = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_act": act}
    text = {"vocab_size": 100, "hidden_size": 32, "intermediate_size": 128, "max_position_embeddings": 12}
    vision = {"hidden_size": 48, "intermediate_size": 192, "image_size": 32, "patch_size": 8}
    special = {"bos_token_id": 98, "eos_token_id": EOT}
    torch.manual_seed(0)
    theirs = CLIPModel(
        TheirConfig(text_config=common | text | special, vision_config=common | vision, projection_dim=24)
    ).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    ours = small(quick_gelu).eval()
    ours.load_state_dict(to_ours(ours.state_dict(), theirs.state_dict(), RENAMES[HF], "theirs"))
    images = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        expected = theirs(input_ids=tokens(), pixel_values=images, attention_mask=torch.ones(3, 12))
        got = ours(images, tokens())
        logits = ours.logit_scale.exp() * got.image @ got.text.T
    assert torch.allclose(got.image, expected.image_embeds, atol=1e-5)
    assert torch.allclose(got.text, expected.text_embeds, atol=1e-5)
    assert torch.allclose(logits, expected.logits_per_image, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("clip-vit-b-32", 151_277_313),
        ("clip-vit-b-16", 149_620_737),
        ("clip-vit-l-14", 427_616_513),
        ("clip-vit-l-14-336", 427_944_193),
        ("clip-rn50", 102_007_137),
        ("clip-rn101", 119_688_033),
        ("clip-rn50x4", 178_300_601),
        ("clip-rn50x16", 290_979_217),
        ("clip-rn50x64", 623_258_305),
    ],
)
def test_the_published_models_have_the_published_sizes(name: str, parameters: int) -> None:
    with torch.device("meta"):
        model = build_model(load_config(name))
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_the_logit_scale_starts_at_the_papers_and_is_clamped_after_the_step() -> None:
    model = small()
    assert model.logit_scale.shape == (1,)
    assert model.logit_scale.item() == pytest.approx(math.log(1 / 0.07))
    model.logit_scale.data.fill_(9.0)
    model.after_step()
    assert model.logit_scale.exp().item() == pytest.approx(100)
    model.logit_scale.data.fill_(-1.0)
    model.after_step()
    assert model.logit_scale.item() == 0


def test_sigmoid_models_start_at_ten_and_minus_ten() -> None:
    model = CLIP(CLIPConfig(loss="sigmoid", text=TextTowerConfig(layers=1), image=ImageTowerConfig(layers=1)))
    assert model.logit_scale.exp().item() == pytest.approx(10)
    assert model.logit_bias.item() == -10


def test_embeddings_have_length_one_in_float32_under_autocast() -> None:
    model = small()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        embeddings = model(torch.randn(3, 3, 32, 32), tokens())
    for side in (embeddings.image, embeddings.text):
        assert side.dtype == torch.float32
        assert torch.allclose(side.norm(dim=-1), torch.ones(3), atol=1e-5)
