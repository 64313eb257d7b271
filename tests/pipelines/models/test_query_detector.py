"""Detectors of transformers by path: each kind gives boxes, features and probabilities; other folders are refused."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpusloom.pipelines.models.query_detector import QueryDetector, corners, resized
from corpusloom.schemas.errors import ConfigError
from tests.pipelines.models.small_detectors import LABELS, QUERIES, WIDTH, save_detector

KINDS = ("detr", "rt_detr", "yolos")
RGB = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_each_query_has_a_box_a_feature_and_probabilities(tmp_path: Path, kind: str) -> None:
    folder = save_detector(tmp_path, kind)
    model = QueryDetector(folder)
    found = model(RGB)
    classes = LABELS if kind == "rt_detr" else LABELS + 1
    shapes = [array.shape for array in (found.boxes, found.features, found.class_probs, found.scores)]
    assert shapes == [(QUERIES, 4), (QUERIES, WIDTH), (QUERIES, classes), (QUERIES,)]
    assert (found.boxes >= 0).all()
    assert (found.boxes <= [60, 40, 60, 40]).all()
    np.testing.assert_allclose(found.class_probs.sum(1), 1, rtol=1e-5)
    if kind != "rt_detr":  # the last class is "no object"
        np.testing.assert_array_equal(found.scores, found.class_probs[:, :LABELS].max(1))
    assert model.identity.name == kind
    again = QueryDetector(folder)(RGB)
    assert again.features.tobytes() == found.features.tobytes()


def test_the_feature_is_the_decoders_last_hidden_state(tmp_path: Path) -> None:
    import torch

    model = QueryDetector(save_detector(tmp_path, "yolos"))
    with torch.inference_mode():
        whole = model._model(torch.from_numpy(model._input(RGB))[None])
    np.testing.assert_array_equal(model(RGB).features, whole.last_hidden_state[0, -QUERIES:].numpy())


def test_pixels_are_scaled_and_normalised_as_the_folder_says(tmp_path: Path) -> None:
    steps = {"size": {"height": 8, "width": 6}, "image_mean": [0, 0.5, 0], "image_std": [1, 1, 2]}
    folder = save_detector(tmp_path, "yolos", **steps)
    grey = np.full((10, 10, 3), 255, np.uint8)
    found = QueryDetector(folder)._input(grey)
    assert found.shape == (3, 8, 6)
    np.testing.assert_allclose(found[:, 0, 0], [1, 0.5, 0.5])
    plain = save_detector(tmp_path / "plain", "yolos", do_resize=False, do_rescale=False, do_normalize=False)
    np.testing.assert_array_equal(QueryDetector(plain)._input(RGB), RGB.transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("width", "height", "size", "expected"),
    [
        (640, 480, {"shortest_edge": 800, "longest_edge": 1333}, (1067, 800)),
        (1000, 100, {"shortest_edge": 800, "longest_edge": 1333}, (1333, 133)),
        (640, 480, {"height": 640, "width": 512}, (512, 640)),
        (10_000, 1, {"shortest_edge": 2, "longest_edge": 100}, (100, 1)),
    ],
)
def test_the_size_of_the_input(width: int, height: int, size: dict[str, int], expected: tuple[int, int]) -> None:
    assert resized(width, height, size) == expected


def test_centres_become_corners() -> None:
    assert corners(np.array([[0.5, 0.4, 0.2, 0.4]])).round(6).tolist() == [[0.4, 0.2, 0.6, 0.6]]


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_the_identity_has_the_hash_of_weights_and_both_configurations(tmp_path: Path, name: str) -> None:
    folder = save_detector(tmp_path, "yolos")
    before = QueryDetector(folder).identity
    path = Path(folder) / name
    if name.endswith(".json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"more": 1}))
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    after = QueryDetector(folder).identity
    assert (before.name, before.version) == (after.name, after.version)
    assert before.label != after.label


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("config.json", {"architectures": ["ViTModel"], "model_type": "vit"}, "is no detector but vit"),
        ("config.json", {"architectures": ["YolosModel"]}, "is no detector but yolos"),
        ("preprocessor_config.json", {"size": 9}, "size is 9"),
        ("preprocessor_config.json", {"size": {"max": 9}}, "size is"),
    ],
)
def test_a_folder_of_another_model_is_refused(tmp_path: Path, name: str, changes: dict[str, Any], message: str) -> None:
    path = Path(save_detector(tmp_path, "yolos")) / name
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ConfigError, match=message):
        QueryDetector(str(tmp_path))


@pytest.mark.parametrize("content", ["[]", "{"])
def test_a_damaged_configuration_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ConfigError, match=r"config.json: is no JSON"):
        QueryDetector(str(tmp_path))


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_a_folder_without_a_file_is_refused_and_a_pickle_is_no_weights(tmp_path: Path, name: str) -> None:
    save_detector(tmp_path, "yolos")
    (tmp_path / name).unlink()
    # The pickle is written and never loaded; it must not count as weights.
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps(print))
    with pytest.raises(ConfigError, match=name.replace("model.", r"\*\.")):
        QueryDetector(str(tmp_path))


@pytest.mark.parametrize("folder", ["facebook/detr-resnet-50", "s3://bucket/detr"])
def test_a_name_that_is_no_local_folder_is_refused(folder: str) -> None:
    with pytest.raises(ConfigError, match=r"no such local folder.*download"):
        QueryDetector(folder)


def test_damaged_weights_are_a_config_error(tmp_path: Path) -> None:
    folder = save_detector(tmp_path, "yolos")
    (tmp_path / "model.safetensors").write_bytes(b"junk")
    with pytest.raises(ConfigError, match="cannot be loaded"):
        QueryDetector(folder).check()


def test_weights_that_are_missing_are_not_drawn_at_random(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = save_detector(tmp_path, "yolos")
    weights = load_file(tmp_path / "model.safetensors")
    lost = sorted(name for name in weights if name.startswith("bbox_predictor"))[0]
    save_file({name: array for name, array in weights.items() if name != lost}, tmp_path / "model.safetensors")
    with pytest.raises(ConfigError, match=f"has no weights {lost}"):
        QueryDetector(folder).check()


def test_a_model_without_hidden_states_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = QueryDetector(save_detector(tmp_path, "yolos"))
    model.check()
    monkeypatch.setattr(model, "_model", lambda _: object())
    with pytest.raises(ConfigError, match="does not give logits"):
        model.check()
