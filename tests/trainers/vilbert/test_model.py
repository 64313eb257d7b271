"""ViLBERT compared with published parameter counts, transformers' BERT and torch's attention; its symmetries."""

import pytest
import torch
from torch.nn import functional as F

from corpusloom.trainers.vilbert.config import ViLBERTConfig
from corpusloom.trainers.vilbert.model import Connection, ViLBERT, additive
from tests.trainers.vilbert.small import random_inputs, small_config, small_model

PUBLISHED = 250_044_029
"""Parameters of the public code's pre-training model with six connections."""
UNUSED = 11_020_800
"""Parameters of its q_dense layers, which it never uses and this model leaves out."""


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_vilbert_base_has_the_published_number_of_parameters() -> None:
    config = ViLBERTConfig()
    with torch.device("meta"):
        model = ViLBERT(config)
    assert count(model) + UNUSED == PUBLISHED
    assert count(model.text_embeddings) == 23_837_184
    assert {count(layer) for layer in model.text_layers} == {7_087_872}
    assert {count(layer) for layer in model.image_layers} == {6_301_696}
    assert count(model.region_embeddings) == 2_106_368
    assert count(model.text_pooler) + count(model.image_pooler) == 1_837_056


def test_layers_run_in_the_published_order() -> None:
    model, order = (
        small_model(layers=12, v_layers=6, v_connections=(0, 1, 2, 3, 4, 5), t_connections=(6, 7, 8, 9, 10, 11)),
        [],
    )
    for prefix, layers in (("t", model.text_layers), ("v", model.image_layers), ("c", model.connections)):
        for number, layer in enumerate(layers):
            layer.register_forward_hook(lambda *_, name=f"{prefix}{number}": order.append(name))
    model(**random_inputs())
    assert order[:8] == ["t0", "t1", "t2", "t3", "t4", "t5", "c0", "t6"]
    assert len(order) == 24
    for number in range(6):  # a connection stands before the layers of its ids; the streams exchange nothing elsewhere
        assert order.index(f"c{number}") < min(order.index(f"v{number}"), order.index(f"t{6 + number}"))
        if number:
            assert order.index(f"c{number}") > max(order.index(f"v{number - 1}"), order.index(f"t{5 + number}"))


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


def test_padding_does_not_change_the_outputs() -> None:
    model, inputs = small_model(), random_inputs()
    before = model(**inputs)
    tokens, regions = inputs["token_mask"], inputs["region_mask"]
    inputs["tokens"] = torch.where(tokens, inputs["tokens"], 49)
    inputs["features"] = torch.where(regions[..., None], inputs["features"], 1e3)
    inputs["locations"] = torch.where(regions[..., None], inputs["locations"], -7.0)
    after = model(**inputs)
    torch.testing.assert_close(after.text[tokens], before.text[tokens], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(after.image[regions], before.image[regions], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(after.alignment, before.alignment, atol=1e-5, rtol=1e-5)


def test_the_order_of_regions_does_not_matter() -> None:
    model, inputs = small_model(), random_inputs()
    inputs["region_mask"] = torch.ones_like(inputs["region_mask"])
    before = model(**inputs)
    order = torch.tensor([0, 4, 2, 6, 1, 5, 3])  # IMG stays first
    moved = {**inputs, "features": inputs["features"][:, order], "locations": inputs["locations"][:, order]}
    after = model(**moved)
    torch.testing.assert_close(after.image, before.image[:, order], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(after.text, before.text, atol=1e-5, rtol=1e-5)


def test_each_stream_depends_on_the_other_and_alignment_on_both() -> None:
    model, inputs = small_model(), random_inputs()
    inputs["features"].requires_grad_(True)
    model(**inputs).text[0, 0].sum().backward()
    gradient = inputs["features"].grad
    assert gradient is not None
    assert gradient[0][inputs["region_mask"][0]].abs().min() > 0
    assert gradient[1].abs().max() == 0
    other = {**random_inputs(), "tokens": random_inputs()["tokens"].roll(1, 0)}
    assert not torch.allclose(model(**other).alignment, model(**random_inputs()).alignment)


def test_streams_encoded_in_advance_give_the_same_outputs() -> None:
    model, inputs = small_model(v_layers=3, v_connections=(1, 2)), random_inputs()
    text = model.encode_text(inputs["tokens"], inputs["token_mask"])
    image = model.encode_image(inputs["features"], inputs["locations"], inputs["region_mask"])
    joined = model.join(text, inputs["token_mask"], image, inputs["region_mask"])
    assert torch.equal(joined.alignment, model(**inputs).alignment)


def test_words_are_predicted_with_the_token_embedding() -> None:
    model = small_model()
    assert "word_decoder.weight" not in model.state_dict()
    state = torch.randn(4, 24)
    logits = model.predict_words(state)
    expected = model.word_transform(state) @ model.text_embeddings.token.weight.T + model.word_bias
    torch.testing.assert_close(logits, expected)
    assert model.predict_regions(torch.randn(5, 32)).shape == (5, 12)


def test_initial_weights_are_drawn_as_in_bert() -> None:
    torch.manual_seed(0)
    model = ViLBERT(small_config(hidden=96, co_hidden=96))
    assert model.text_layers[0].query.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert model.alignment.bias.abs().max() == 0
