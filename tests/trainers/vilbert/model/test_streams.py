"""The streams: order of layers, masks, symmetries; a single stream is transformers' BERT over tokens and regions."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from corpusloom.trainers.training.hub.folders import read_folder
from corpusloom.trainers.vilbert import adapter
from corpusloom.trainers.vilbert.model.pretraining import ViLBERT
from tests.trainers.vilbert.folders import bert_folder
from tests.trainers.vilbert.small import random_inputs, small_config, small_model


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


def test_initial_weights_are_drawn_as_in_bert() -> None:
    torch.manual_seed(0)
    model = ViLBERT(small_config(hidden=96, co_hidden=96))
    assert model.text_layers[0].query.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert model.alignment.bias.abs().max() == 0


def single_stream(**changes: Any) -> ViLBERT:
    return small_model(streams=1, v_hidden=24, co_hidden=24, **changes)


def test_a_single_stream_is_bert_over_tokens_and_regions(tmp_path: Path) -> None:
    model, inputs = single_stream(), random_inputs()
    path, whole = bert_folder(tmp_path / "bert")
    adapter.load_weights(model, read_folder(path))
    theirs = whole.bert
    text = model.text_embeddings(inputs["tokens"])
    regions = model.region_embeddings(inputs["features"], inputs["locations"])
    theirs.embeddings.LayerNorm = nn.Identity()  # the embeddings are given: nothing is added to them
    for added in (theirs.embeddings.position_embeddings, theirs.embeddings.token_type_embeddings):
        nn.init.zeros_(added.weight)
    joined, mask = torch.cat([text, regions], 1), torch.cat([inputs["token_mask"], inputs["region_mask"]], 1)
    with torch.no_grad():
        expected = theirs(inputs_embeds=joined, attention_mask=mask.long())
        found = model(**inputs)
        sequence, pooled = torch.cat([found.text, found.image], 1), model.pool(found.text, found.image)
    torch.testing.assert_close(sequence[mask], expected.last_hidden_state[mask], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(pooled, expected.pooler_output, atol=1e-5, rtol=1e-5)


def test_nothing_but_embeddings_is_computed_before_a_single_stream_is_joined() -> None:
    model, inputs = single_stream(), random_inputs()
    text = model.encode_text(inputs["tokens"], inputs["token_mask"])
    assert torch.equal(text, model.text_embeddings(inputs["tokens"]))
    image = model.encode_image(inputs["features"], inputs["locations"], inputs["region_mask"])
    assert torch.equal(image, model.region_embeddings(inputs["features"], inputs["locations"]))
    assert torch.equal(model.join(text, inputs["token_mask"], image, inputs["region_mask"]).text, model(**inputs).text)


def test_a_single_stream_has_no_weights_of_visual_layers_and_connections() -> None:
    names = {name.partition(".")[0] for name in single_stream().state_dict()}
    assert not names & {"image_layers", "connections", "image_pooler"}
    assert names < {name.partition(".")[0] for name in small_model().state_dict()}


def test_the_pooler_of_a_single_stream_comes_from_bert_and_has_its_learning_rate() -> None:
    config = {"init": "bert", "init_lr_factor": 0.1}
    assert single_stream(**config).lr_factor("text_pooler.weight") == 0.1
    assert small_model(**config).lr_factor("text_pooler.weight") == 1.0
