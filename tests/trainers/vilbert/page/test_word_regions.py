"""Attention between words and regions is the mean over heads of the weights that one and two streams use."""

import pytest
import torch

from corpusloom.trainers.vilbert.model.attention import recorded_attention
from corpusloom.trainers.vilbert.page.word_regions import word_region_attention
from tests.trainers.vilbert.page.pools import ONE
from tests.trainers.vilbert.small import REGIONS, TOKENS, random_inputs, small_model


def test_in_two_streams_the_connections_weights_of_both_directions_are_returned() -> None:
    model = small_model()
    with torch.no_grad(), recorded_attention(model) as weights:
        model(**random_inputs())
    found = word_region_attention(model, weights, TOKENS, REGIONS, row=1)
    assert (found.to_regions.shape, found.to_words.shape) == ((2, TOKENS, REGIONS), (2, REGIONS, TOKENS))
    heads = weights["connections.1.v_attention"][1]
    torch.testing.assert_close(found.to_words[1], (heads[0] + heads[1]) / 2)
    torch.testing.assert_close(found.to_regions.sum(2), torch.ones(2, TOKENS))


def test_in_a_single_stream_words_and_regions_share_the_attention() -> None:
    model = small_model(**ONE)
    with torch.no_grad(), recorded_attention(model) as weights:
        model(**random_inputs())
    found = word_region_attention(model, weights, TOKENS, REGIONS, row=2)
    assert (found.to_regions.shape, found.to_words.shape) == ((4, TOKENS, REGIONS), (4, REGIONS, TOKENS))
    joined = weights["text_layers.3.attention"][2].mean(0)
    among_words = joined[:TOKENS, :TOKENS].sum(1)
    torch.testing.assert_close(found.to_regions[3].sum(1), 1 - among_words)
    assert found.to_words[3, 4, 1].item() == pytest.approx(joined[TOKENS + 4, 1].item())


def test_streams_without_connections_have_no_attention_between_them() -> None:
    model = small_model(v_connections=(), t_connections=())
    with torch.no_grad(), recorded_attention(model) as weights:
        model(**random_inputs())
    assert word_region_attention(model, weights, TOKENS, REGIONS, row=0).to_regions.shape == (0, TOKENS, REGIONS)
