"""The gated block: a token sees its own image alone, and nothing if it has none."""

import pytest
import torch
from torch import nn

from corpusloom.trainers.flamingo.layers.gated_block import GatedCrossAttentionBlock, gated


@pytest.mark.parametrize("image", [0, 1, 2])
def test_inside_a_gated_block_a_changed_image_moves_the_tokens_of_its_phi_alone(image: int) -> None:
    torch.manual_seed(0)
    block = GatedCrossAttentionBlock(16, 12, 2, 4)
    nn.init.constant_(block.attention_gate, 0.5)
    nn.init.constant_(block.ffw_gate, 0.5)
    text, visual = torch.randn(2, 12, 16), torch.randn(2, 3, 3, 12)
    phi = torch.tensor([[0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3], [1, 1, 2, 2, 3, 3, 0, 0, 2, 1, 3, 0]])
    before = block(text, visual, phi)
    visual[:, image] += 1 + torch.randn(2, 3, 12)
    moved = (block(text, visual, phi) != before).any(-1)
    assert torch.equal(moved, phi == image + 1)


def test_cross_attention_is_softmax_over_the_tokens_image_alone() -> None:
    torch.manual_seed(0)
    block = GatedCrossAttentionBlock(16, 12, 2, 4)
    nn.init.constant_(block.attention_gate, 0.5)
    text, visual = torch.randn(1, 6, 16), torch.randn(1, 2, 3, 12)
    phi = torch.tensor([[0, 1, 1, 2, 2, 0]])
    found = block(text, visual, phi) - text
    query = block.attention.query(block.norm_text(text))[0]
    for place, number in enumerate(phi[0].tolist()):
        if number == 0:
            assert found[0, place].abs().max() == 0
            continue
        source = block.norm_image(visual[0, number - 1])
        key, value = block.attention.key(source), block.attention.value(source)
        heads = [
            (query[place, part] @ key[:, part].T / 2).softmax(-1) @ value[:, part]
            for part in (slice(0, 4), slice(4, 8))
        ]
        expected = block.attention_gate.tanh() * block.attention.output(torch.cat(heads))
        assert torch.allclose(found[0, place], expected, atol=1e-5)


def test_a_gate_of_0_stops_a_layer_and_no_gate_lets_it_through() -> None:
    change = torch.randn(3)
    assert torch.equal(gated(change, torch.zeros(1)), torch.zeros(3))
    assert torch.equal(gated(change, torch.ones(1)), change * torch.ones(1).tanh())
    assert gated(change, None) is change
