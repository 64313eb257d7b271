"""The pre-training model has the published number of parameters and the published heads."""

import torch

from corpusloom.trainers.training.config import load_config
from corpusloom.trainers.vilbert.config import ViLBERTConfig, model_config
from corpusloom.trainers.vilbert.model.pretraining import ViLBERT
from tests.trainers.vilbert.small import random_inputs, small_model

PUBLISHED = 250_044_029
"""Parameters of the public code's pre-training model with six connections."""
BERT_BASE = 109_482_240
"""Parameters of bert-base-uncased without a head."""
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


def test_the_single_stream_baseline_has_the_parameters_of_a_bert_base_and_the_heads() -> None:
    with torch.device("meta"):
        model = ViLBERT(model_config(load_config("vilbert-single-stream")))
    assert count(model.text_embeddings) + count(model.text_layers) + count(model.text_pooler) == BERT_BASE
    assert count(model.region_embeddings) == 2048 * 768 + 768 + 5 * 768 + 768 + 2 * 768
    assert count(model) == 113_509_501


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
