"""Zero-shot classification between the steps of a training run (`data.zero_shot`)."""

from collections.abc import Iterable, Iterator, Mapping

import torch

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.tokens.of_model import CaptionTokenizer
from corpusloom.trainers.clip.zero_shot.benchmarks import Benchmark
from corpusloom.trainers.clip.zero_shot.classify import ClassifiedImages, classify_images, open_images
from corpusloom.trainers.clip.zero_shot.figures import classification_figures, precision_figures
from corpusloom.trainers.clip.zero_shot.retrieval.figures import retrieval
from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.evaluation.finished import SKIPPED

PREFIX = "zero_shot"


def open_sets(sets: Mapping[str, str]) -> dict[str, ClassifiedImages]:
    """Open the benchmarks and folders of pictures that a run is evaluated on: name -> path.

    Raises InputError or ConfigError for a path that cannot be evaluated, before training begins.
    """
    opened = {}
    for name, path in sets.items():
        opened[name] = open_images(path, EvaluationSettings())
        if not opened[name].labelled:
            raise ConfigError("the pictures have no labels", where=path, remedy="give a folder per class")
    return opened


def zero_shot_figures(
    model: CLIP, tokenizer: CaptionTokenizer, sets: Mapping[str, ClassifiedImages]
) -> Iterator[tuple[str, float]]:
    """Yield the figures of each set as zero_shot.NAME.FIGURE; the data ranks share the images."""
    for name, images in sets.items():
        for figure, value in classify_images(model, tokenizer, images, EvaluationSettings()).values.items():
            yield f"{PREFIX}.{name}.{figure}", value


def figure_names(split: str | None, sets: Mapping[str, ClassifiedImages]) -> tuple[str, ...]:
    """Return the names of all figures of a run's evaluations, for `train.keep_best`; empty without an evaluation.

    With a `split` retrieval is measured.
    """
    names: list[str] = []
    if split is not None:
        one = torch.ones(1, 1)
        names += [*dict(retrieval(one, one, torch.zeros(1, dtype=torch.long))), SKIPPED]
    for name, images in sets.items():
        names += [f"{PREFIX}.{name}.{figure}" for figure in (*_figures_of(images), SKIPPED)]
    return tuple(names)


def _figures_of(images: ClassifiedImages) -> Iterable[str]:
    classes, zero = len(images.classes), torch.zeros(1, dtype=torch.long)
    if isinstance(images, Benchmark) and images.multilabel:
        return dict(precision_figures(torch.zeros(1, classes), torch.ones(1, classes, dtype=torch.long)))
    return dict(classification_figures(zero, zero, classes))
