"""The supervised ceiling: a small tower learns colours from labels, and the same seed gives the same figure."""

from pathlib import Path

import pytest
import torch

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.clip.zero_shot.supervised import supervised_ceiling
from corpusloom.trainers.training.config import RunConfig, TrainConfig
from tests.trainers.benchmarks import write_benchmark
from tests.trainers.datasets import COLOURS, coloured_pairs

CLASSES = list(COLOURS)


def configuration(steps: int) -> RunConfig:
    tower = {"size": 8, "layers": 1, "width": 16, "heads": 2, "patch": 4}
    train = TrainConfig(steps=steps, batch_size=8, lr=1e-2, grad_clip=1.0)
    return RunConfig(family="clip", model={"embed_dim": 8, "image": tower}, train=train)


def benchmark(folder: Path) -> str:
    pairs = coloured_pairs(24)
    samples = [(pair.image, "jpg", CLASSES.index(pair.text.split()[1])) for pair in pairs]
    write_benchmark(str(folder), samples, CLASSES, ["a {c}"])
    (folder / "train").mkdir()
    (folder / "train" / "0.tar").write_bytes((folder / "test" / "0.tar").read_bytes())
    return str(folder)


def test_a_tower_learns_the_classes_of_the_split_train(tmp_path: Path) -> None:
    folder, state = benchmark(tmp_path), torch.random.get_rng_state()
    figures = supervised_ceiling(configuration(100), folder)
    assert figures["top1"] > 0.9 > figures["chance"] == 1 / len(CLASSES)
    assert figures["top1_low"] < figures["top1"]
    assert supervised_ceiling(configuration(3), folder) == supervised_ceiling(configuration(3), folder)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_folder_without_images_to_train_on_is_an_error(tmp_path: Path) -> None:
    folder = benchmark(tmp_path)
    for split in ("train", "test"):
        (tmp_path / split / "0.tar").write_bytes(bytes(10240))
    with pytest.raises(InputError, match="no image"):
        supervised_ceiling(configuration(3), folder)
