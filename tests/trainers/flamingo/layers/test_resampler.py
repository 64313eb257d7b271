"""The Perceiver Resampler against that of Idefics in transformers, on any grid and any number of frames; the mean."""

import torch
from torch import nn
from transformers import IdeficsConfig
from transformers.models.idefics.perceiver import IdeficsPerceiverResampler

from corpusloom.trainers.flamingo.config import FlamingoConfig
from corpusloom.trainers.flamingo.layers.resampler import MeanPool, PerceiverResampler
from tests.trainers.flamingo.test_model import SHAPE


def copy_weights(own: PerceiverResampler, other: IdeficsPerceiverResampler) -> None:
    own.latents.data.copy_(other.latents)
    own.time.data.zero_()
    for layer, (attention, mlp) in zip(own.layers, other.blocks, strict=True):
        layer.norm_features.load_state_dict(attention.context_layer_norm.state_dict())
        layer.norm_latents.load_state_dict(attention.latents_layer_norm.state_dict())
        for mine, theirs in (("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj"), ("output", "output_proj")):
            getattr(layer.attention, mine).weight.data.copy_(getattr(attention, theirs).weight)
        layer.ffw[0].load_state_dict(mlp.ln.state_dict())
        layer.ffw[1].weight.data.copy_(mlp.fc.weight)
        layer.ffw[2] = nn.ReLU()
        layer.ffw[3].weight.data.copy_(mlp.c_proj.weight)


def test_with_the_same_weights_the_visual_tokens_are_those_of_idefics() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = IdeficsConfig(vision_config={"embed_dim": 16}, perceiver_config={"qk_layer_norms_perceiver": False})
    other = IdeficsPerceiverResampler(config, 16, depth=2, n_heads=2, head_dim=6, n_latents=4).double()
    own = PerceiverResampler(
        FlamingoConfig(resampler_layers=2, resampler_heads=2, resampler_head_width=6, latents=4), 16, 16
    ).double()
    copy_weights(own, other)
    features = torch.randn(3, 1, 9, 16, dtype=torch.double)
    torch.testing.assert_close(other.layer_norm(own(features)), other(features[:, 0]), atol=1e-10, rtol=0)


def test_the_resampler_takes_any_grid_and_any_number_of_frames() -> None:
    torch.manual_seed(0)
    resampler = PerceiverResampler(SHAPE, 12, 12)
    for frames, places in ((1, 4), (4, 9), (7, 2)):
        assert resampler(torch.randn(2, frames, places, 12)).shape == (2, 3, 12)
    assert torch.equal(resampler.time_embeddings(1), resampler.time[:1])
    assert torch.equal(resampler.time_embeddings(4), resampler.time)
    longer = resampler.time_embeddings(7)
    assert torch.allclose(longer[0], resampler.time[0], atol=1e-6)
    assert torch.allclose(longer[-1], resampler.time[-1], atol=1e-6)


def test_the_mean_of_a_grid_is_one_projected_token() -> None:
    torch.manual_seed(0)
    pool, features = MeanPool(12, 8), torch.randn(2, 3, 4, 12)
    expected = features.flatten(1, 2).mean(1) @ pool.project.weight.T
    torch.testing.assert_close(pool(features), expected[:, None])
