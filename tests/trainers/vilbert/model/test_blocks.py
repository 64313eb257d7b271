"""A connection compared with attention that is written out head by head."""

import torch
from torch.nn import functional as F

from corpusloom.trainers.vilbert.model.attention import additive
from corpusloom.trainers.vilbert.model.blocks import Connection
from tests.trainers.vilbert.small import random_inputs, small_config


def normed(stream: torch.Tensor, norm: torch.nn.LayerNorm) -> torch.Tensor:
    return F.layer_norm(stream, (stream.shape[-1],), norm.weight, norm.bias, eps=1e-12)


def test_in_a_connection_each_stream_attends_to_the_other() -> None:
    config, inputs = small_config(), random_inputs()
    torch.manual_seed(3)
    connection = Connection(config).double().eval()
    text = torch.randn(3, 9, config.hidden, dtype=torch.double)
    image = torch.randn(3, 7, config.v_hidden, dtype=torch.double)
    text_mask, image_mask = inputs["token_mask"], inputs["region_mask"]
    got = connection(text, additive(text_mask).double(), image, additive(image_mask).double())

    def cross(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        heads = []
        for part in range(config.co_heads):  # softmax(q k / sqrt(d)) v over the real positions of each row alone
            at = slice(part * 8, part * 8 + 8)
            rows = []
            for row in range(3):
                k, v = key[row, mask[row], at], value[row, mask[row], at]
                rows.append(torch.softmax(query[row, :, at] @ k.T / 8**0.5, -1) @ v)
            heads.append(torch.stack(rows))
        return torch.cat(heads, -1)

    c = connection
    to_text = cross(c.t_query(text), c.v_key(image), c.v_value(image), image_mask)
    to_image = cross(c.v_query(image), c.t_key(text), c.t_value(text), text_mask)
    expected_text = normed(text + c.t_output.dense(to_text), c.t_output.norm)
    expected_image = normed(image + c.v_output.dense(to_image), c.v_output.norm)
    torch.testing.assert_close(got[0], c.t_ffw(expected_text), atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(got[1], c.v_ffw(expected_image), atol=1e-10, rtol=1e-10)
