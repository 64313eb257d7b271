"""The supervised ceiling of an image tower: the same tower with a linear classifier, trained on labels.

A CLIP is trained on captions. The difference between its accuracy and that of the same tower trained on labels of the
same images is due to the captions; the rest of its errors are due to the images or to the tower.

Shapes: N images, B images of a batch, C classes.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.clip.augment import augment
from corpusloom.trainers.clip.config import CLIPDataConfig, ImageTowerConfig, data_config, model_config
from corpusloom.trainers.clip.data import channels_first, evaluation_image, training_image
from corpusloom.trainers.clip.model import make_image_tower
from corpusloom.trainers.clip.zero_shot.benchmarks import Benchmark, open_benchmark
from corpusloom.trainers.evaluation.figures import share
from corpusloom.trainers.training.config import RunConfig, TrainConfig
from corpusloom.trainers.training.numerics import own_torch_state
from corpusloom.trainers.training.optimizer import learning_rate, make_optimizer, set_learning_rate


def supervised_ceiling(config: RunConfig, folder: str) -> dict[str, float]:
    """Return top1, with its interval, of a configuration's image tower, trained on the labels of a benchmark.

    It trains on the split `train` with the configuration's steps, batch, optimiser, schedule and augmentation, and is
    measured on the split `test`. All images are kept in memory.
    """
    train, test = open_benchmark(folder, "train"), open_benchmark(folder)
    shape, data = model_config(config), data_config(config)
    with own_torch_state(config.train.threads, torch.device("cpu")):
        torch.manual_seed(config.train.rng_seed)
        tower = make_image_tower(shape)
        classifier = nn.Sequential(tower, nn.Linear(shape.embed_dim, len(train.classes)))
        fit(classifier, labelled_batches(train, shape.image, data, config.train), config.train)
    with torch.no_grad():
        images, labels = evaluation_tensors(test, shape.image)
        hits = torch.cat([classifier(piece).argmax(1) for piece in images.split(256)]) == labels
    return dict(share("top1", hits, 1 / len(test.classes))) | {"chance": 1 / len(test.classes)}


def fit(classifier: nn.Module, batches: Iterator[tuple[Tensor, Tensor]], config: TrainConfig) -> None:
    """Train a classifier by cross entropy with a run's optimiser, schedule and steps; it ends in evaluation mode."""
    optimizer = make_optimizer(classifier, config)
    classifier.train()
    for step in range(config.steps):
        images, labels = next(batches)
        set_learning_rate(optimizer, learning_rate(step, config))
        F.cross_entropy(classifier(images), labels).backward()
        if config.grad_clip is not None:
            nn.utils.clip_grad_norm_(classifier.parameters(), config.grad_clip)
        optimizer.step()
        optimizer.zero_grad()
    classifier.eval()


def labelled_batches(
    benchmark: Benchmark, shape: ImageTowerConfig, data: CLIPDataConfig, config: TrainConfig
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield augmented batches without end, (B, 3, size, size) uint8 and (B,) int; each pass has another order."""
    samples = [
        (training_image(sample.image, shape.size, data.margin, squash=shape.squashes), benchmark.label_of(sample))
        for sample in benchmark
    ]
    rng = np.random.default_rng(config.rng_seed)
    if not samples:
        raise InputError("no image in the split train", where=benchmark.folder)
    waiting: list[int] = []
    while True:
        while len(waiting) < config.batch_size:
            waiting += rng.permutation(len(samples)).tolist()
        chosen, waiting = waiting[: config.batch_size], waiting[config.batch_size :]
        pixels = np.stack([channels_first(augment(samples[number][0], shape.size, data, rng)) for number in chosen])
        yield torch.from_numpy(pixels), torch.tensor([samples[number][1] for number in chosen])


def evaluation_tensors(benchmark: Benchmark, shape: ImageTowerConfig) -> tuple[Tensor, Tensor]:
    """Return the images of a split as evaluations see them, (N, 3, size, size) uint8, and their classes, (N,) int."""
    rows = [
        (evaluation_image(sample.image, shape.size, squash=shape.squashes), benchmark.label_of(sample))
        for sample in benchmark
    ]
    return torch.from_numpy(np.stack([pixels for pixels, _ in rows])), torch.tensor([label for _, label in rows])
