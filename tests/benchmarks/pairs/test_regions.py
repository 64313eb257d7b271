"""Images of the benchmark of regions: different ones, as pairs that the stage reads."""

import pytest

from benchmarks.pairs.regions import as_pairs, make_images
from corpusloom.schemas.images.decoding import decode_rgb


def test_images_differ_and_can_be_decoded() -> None:
    pytest.importorskip("torch")
    images = make_images(3)
    assert len(set(images)) == 3
    pairs = as_pairs(images)
    assert [pair.image for pair in pairs] == images
    assert all(decode_rgb(pair.image).shape[2] == 3 for pair in pairs)
