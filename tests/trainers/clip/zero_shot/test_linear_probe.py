"""The linear probe: which images it trains and tests on, its features, and what it learns."""

import shutil
from pathlib import Path

import pytest
import torch

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.clip.data import evaluation_image
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.towers.resnet import ModifiedResNet
from corpusloom.trainers.clip.zero_shot.linear_probe import hold_out, image_features, open_probe, probe
from corpusloom.trainers.evaluation.batches import EvaluationSettings
from tests.trainers.benchmarks import write_benchmark
from tests.trainers.clip.folders import our_config
from tests.trainers.clip.small import small_clip, small_tokenizer
from tests.trainers.datasets import COLOURS, coloured_pairs

NAMES = list(COLOURS)


def write_split(folder: Path, count: int, first: int = 0) -> str:
    """Write coloured pictures into a folder per colour."""
    for number, pair in enumerate(coloured_pairs(count, first=first)):
        place = folder / NAMES[number % 4]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:02d}.jpg").write_bytes(pair.image)
    return str(folder)


def test_features_are_the_input_of_the_projection() -> None:
    clip, pixels = small_clip(), torch.from_numpy(evaluation_image(coloured_pairs(1)[0].image, 16))[None]
    with torch.no_grad():
        features = image_features(clip, pixels)
        assert features.shape == (1, 16)
        assert torch.equal(clip.image.projection(features), clip.image(pixels))
        resnet = CLIP(our_config(resnet=True)).eval()
        assert isinstance(resnet.image, ModifiedResNet)
        larger = torch.from_numpy(evaluation_image(coloured_pairs(1)[0].image, 32))[None]
        assert torch.equal(image_features(resnet, larger), resnet.image(larger))


def test_every_fifth_row_of_a_class_is_held_out() -> None:
    labels = torch.tensor([0, 1] * 11)
    kept, held = hold_out(torch.arange(22), labels)
    assert held.tolist() == [8, 9, 18, 19]
    assert sorted([*kept.tolist(), *held.tolist()]) == list(range(22))


def test_a_probe_learns_colours_that_zero_shot_does_not_know(tmp_path: Path) -> None:
    write_split(tmp_path / "train", 80)
    write_split(tmp_path / "test", 24, first=100)
    settings = EvaluationSettings(batch_size=16, images=str(tmp_path))
    found = probe(small_clip(), small_tokenizer(), str(tmp_path), settings)
    assert found.values["top1"] > 0.8
    assert (found.values["top1_n"], found.values["train_n"], found.values["top1_chance"]) == (24, 80, 0.25)
    assert 1e-6 <= found.values["strength"] <= 1e6
    assert sum(bool(item.right) for item in found.predictions) == round(24 * found.values["top1"])
    (tmp_path / "test" / "red").rename(tmp_path / "test" / "crimson")
    with pytest.raises(ConfigError, match="train and test have different class folders"):
        open_probe(str(tmp_path), settings)
    shutil.rmtree(tmp_path / "test")
    with pytest.raises(InputError, match="a folder train without a folder test"):
        open_probe(str(tmp_path), settings)


def test_class_folders_alone_give_every_fifth_picture_to_the_test(tmp_path: Path) -> None:
    settings = EvaluationSettings(images=write_split(tmp_path, 40))
    found = probe(small_clip(), small_tokenizer(), str(tmp_path), settings)
    assert (found.values["n"], found.values["train_n"]) == (8, 32)
    assert {item.image for item in found.predictions} == {
        f"{NAMES[number % 4]}/{number:02d}.jpg" for number in (*range(16, 20), *range(36, 40))
    }
    assert found.notes == ("every 5th picture of a class is held out for the test",)


def test_a_benchmark_needs_the_splits_train_and_test(tmp_path: Path) -> None:
    samples = [(pair.image, "jpg", number % 4) for number, pair in enumerate(coloured_pairs(20))]
    write_benchmark(str(tmp_path), samples, NAMES, ["{c}"])
    with pytest.raises(InputError, match="no splits train and test"):
        open_probe(str(tmp_path), EvaluationSettings())
    shutil.copytree(tmp_path / "test", tmp_path / "train")
    shutil.copytree(tmp_path / "test", tmp_path / "val")
    found = probe(small_clip(), small_tokenizer(), str(tmp_path), EvaluationSettings())
    assert (found.values["n"], found.values["train_n"]) == (20, 40)


def test_a_class_without_pictures_to_learn_from_is_refused(tmp_path: Path) -> None:
    write_split(tmp_path, 38)
    for path in (tmp_path / "red").glob("*.jpg"):
        path.write_bytes(b"")
    with pytest.raises(InputError, match="classes without a training picture: red"):
        probe(small_clip(), small_tokenizer(), str(tmp_path), EvaluationSettings(images=str(tmp_path)))


@pytest.mark.parametrize("count", [16, 20])
def test_too_few_pictures_to_hold_any_out_are_refused(tmp_path: Path, count: int) -> None:
    write_split(tmp_path, count)
    with pytest.raises(InputError, match=r"too few pictures to hold some out \(give each class 7 pictures or more"):
        probe(small_clip(), small_tokenizer(), str(tmp_path), EvaluationSettings(images=str(tmp_path)))
