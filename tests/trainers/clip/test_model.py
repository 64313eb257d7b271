"""The whole CLIP: the outputs of transformers' CLIPModel, the paper's sizes, the limits of the logit scale."""

import math

import pytest
import torch
from torch import Tensor

from corpusloom.trainers.clip.config import CLIPConfig, ImageTowerConfig, TextTowerConfig
from corpusloom.trainers.clip.layouts.renames import renames_of
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.objective import pair_loss
from corpusloom.trainers.registry import build_model
from corpusloom.trainers.training.config import load_config
from corpusloom.trainers.training.hub.folders import HF
from corpusloom.trainers.training.hub.renames import to_ours, to_theirs
from corpusloom.trainers.training.optimizer import parameter_groups
from tests.trainers.clip.folders import SIGLIP_TOKENIZER, TEXTS, siglip_config, their_siglip

EOT = 99


def small(activation: str = "quick_gelu", **text: object) -> CLIP:
    shape = {"vocab_size": 100, "context": 12, "layers": 2, "width": 32, "heads": 4} | text
    image = ImageTowerConfig(size=32, layers=2, width=48, heads=4, patch=8)
    return CLIP(CLIPConfig(embed_dim=24, activation=activation, image=image, text=TextTowerConfig(**shape)))


def tokens() -> Tensor:
    rows = torch.randint(1, 98, (3, 12), generator=torch.Generator().manual_seed(3))
    rows[:, 0] = 98
    for number, end in enumerate((5, 11, 8)):
        rows[number, end] = EOT
        rows[number, end + 1 :] = 0
    return rows


@pytest.mark.parametrize(("act", "activation"), [("quick_gelu", "quick_gelu"), ("gelu_pytorch_tanh", "gelu_tanh")])
def test_both_towers_and_the_logits_are_those_of_transformers(act: str, activation: str) -> None:
    from transformers import CLIPConfig as TheirConfig
    from transformers import CLIPModel

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
    ours = small(activation).eval()
    ours.load_state_dict(to_ours(ours.state_dict(), theirs.state_dict(), renames_of(ours.config, HF), "theirs"))
    images = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        expected = theirs(input_ids=tokens(), pixel_values=images, attention_mask=torch.ones(3, 12))
        got = ours(images, tokens())
        logits = ours.logit_scale.exp() * got.image @ got.text.T
    assert torch.allclose(got.image, expected.image_embeds, atol=1e-5)
    assert torch.allclose(got.text, expected.text_embeds, atol=1e-5)
    assert torch.allclose(logits, expected.logits_per_image, atol=1e-4)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_a_siglip_has_the_embeddings_logits_and_loss_of_transformers(dtype: torch.dtype, tolerance: float) -> None:
    theirs = their_siglip().to(dtype)
    ours = CLIP(siglip_config()).to(dtype).eval()
    ours.load_state_dict(to_ours(ours.state_dict(), theirs.state_dict(), renames_of(ours.config, HF), "theirs"))
    rows, images = torch.from_numpy(SIGLIP_TOKENIZER.rows(TEXTS[:5])), torch.randn(5, 3, 16, 16, dtype=dtype)
    expected = theirs(input_ids=rows, pixel_values=images, return_loss=True)
    found = ours(images, rows)
    logits = found.logit_scale.exp() * found.image @ found.text.T + found.logit_bias
    loss = pair_loss(found) / 5
    torch.testing.assert_close(found.image, expected.image_embeds, atol=tolerance, rtol=0)
    torch.testing.assert_close(found.text, expected.text_embeds, atol=tolerance, rtol=0)
    torch.testing.assert_close(logits, expected.logits_per_image, atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(loss, expected.loss, atol=tolerance, rtol=tolerance)
    loss.backward()
    expected.loss.backward()
    wanted = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    mine = to_theirs({name: parameter.grad for name, parameter in ours.named_parameters()}, renames_of(ours.config, HF))
    assert wanted.keys() == mine.keys()
    for name, gradient in wanted.items():
        torch.testing.assert_close(mine[name], gradient, atol=tolerance, rtol=10 * tolerance, msg=name)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("clip-vit-b-32", 151_277_313),
        ("clip-vit-b-16", 149_620_737),
        ("clip-vit-l-14", 427_616_513),
        ("clip-vit-l-14-336", 427_944_193),
        ("siglip-b-16", 203_155_970),
        ("siglip-so400m-14-384", 877_960_498),
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


def test_no_embedding_of_a_siglip_is_decayed() -> None:
    config = load_config("siglip-b-16").train
    model = CLIP(siglip_config())
    kept = {
        id(parameter)
        for group in parameter_groups(model, config)
        if not group["weight_decay"]
        for parameter in group["params"]
    }
    named = {name for name, parameter in model.named_parameters() if id(parameter) in kept and parameter.ndim > 1}
    assert named == {"image.positions", "image.pool.probe", "text.positions", "text.token_embedding.weight"}
    assert small().no_decay() == ()


def test_embeddings_have_length_one_in_float32_under_autocast() -> None:
    model = small()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        embeddings = model(torch.randn(3, 3, 32, 32), tokens())
    for side in (embeddings.image, embeddings.text):
        assert side.dtype == torch.float32
        assert torch.allclose(side.norm(dim=-1), torch.ones(3), atol=1e-5)
