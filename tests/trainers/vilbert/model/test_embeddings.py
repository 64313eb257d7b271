"""Embeddings: positions and segments are added to tokens, places to features."""

import torch

from corpusloom.trainers.vilbert.model.embeddings import RegionEmbeddings, TextEmbeddings
from tests.trainers.vilbert.small import small_config


def test_a_token_depends_on_its_position_and_segment() -> None:
    torch.manual_seed(0)
    embeddings = TextEmbeddings(small_config()).eval()
    same = embeddings(torch.tensor([[7, 7]]))
    assert not torch.allclose(same[0, 0], same[0, 1])
    other = embeddings(torch.tensor([[7, 7]]), torch.tensor([[0, 1]]))
    assert torch.equal(other[0, 0], same[0, 0])
    assert not torch.allclose(other[0, 1], same[0, 1])


def test_a_region_is_the_norm_of_its_feature_and_its_place() -> None:
    torch.manual_seed(0)
    embeddings = RegionEmbeddings(small_config()).eval()
    feature, place = torch.randn(1, 1, 10), torch.rand(1, 1, 5)
    added = embeddings.feature(feature) + embeddings.location(place)
    expected = (added - added.mean()) / added.var(unbiased=False).sqrt()
    torch.testing.assert_close(embeddings(feature, place), expected, atol=1e-5, rtol=1e-5)
