"""Attention and feed-forward block of the trained layers, against plain formulas."""

import torch

from corpusloom.trainers.flamingo.layers.attention import CrossAttention, feed_forward


def test_attention_is_softmax_over_the_keys_that_a_query_may_see() -> None:
    torch.manual_seed(0)
    attention = CrossAttention(8, 6, heads=1, head_width=4)
    query, source = torch.randn(1, 3, 8), torch.randn(1, 5, 6)
    mask = torch.tensor([[True, False, True, True, False], [False, True, False, False, False], [True] * 5])
    scores = attention.query(query) @ attention.key(source).transpose(1, 2) / 2
    weights = scores.masked_fill(~mask, -torch.inf).softmax(-1)
    expected = attention.output(weights @ attention.value(source))
    torch.testing.assert_close(attention(query, source, mask[None, None]), expected)
    keys, values = attention.keys_and_values(source)
    torch.testing.assert_close(attention.attend(query, (keys, values)), attention(query, source))


def test_the_feed_forward_block_squares_the_positive_part_and_has_no_bias() -> None:
    torch.manual_seed(0)
    block, x = feed_forward(6), torch.randn(2, 6)
    expected = (block[0](x) @ block[1].weight.T).clamp(min=0).square() @ block[3].weight.T
    torch.testing.assert_close(block(x), expected)
    assert [name for name, _ in block.named_parameters() if name.endswith("bias")] == ["0.bias"]
