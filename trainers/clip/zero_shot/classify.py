"""Zero-shot classification of a benchmark's images or of a folder of pictures (arXiv 2103.00020, section 3.1)."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import TypeAlias

import torch

from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.tokens.of_model import CaptionTokenizer
from corpusloom.trainers.clip.zero_shot.benchmarks import Benchmark, is_benchmark, open_benchmark
from corpusloom.trainers.clip.zero_shot.class_embeddings import class_embeddings
from corpusloom.trainers.clip.zero_shot.class_names import ClassName, folded
from corpusloom.trainers.clip.zero_shot.embed_images import EmbeddedImages, embed_images, thumbnails_of
from corpusloom.trainers.clip.zero_shot.figures import (
    Ranking,
    classification_figures,
    precision_figures,
    rank_classes,
)
from corpusloom.trainers.clip.zero_shot.image_folders import ImageFolder, listed, open_folder
from corpusloom.trainers.clip.zero_shot.templates import PHOTO, PLACEHOLDER, load_templates
from corpusloom.trainers.evaluation.batches import EvaluationSettings, Figures
from corpusloom.trainers.evaluation.figures import check_finite
from corpusloom.trainers.evaluation.predictions import Prediction
from corpusloom.trainers.training.parallel import whole

ClassifiedImages: TypeAlias = Benchmark | ImageFolder


def open_images(data: str, settings: EvaluationSettings) -> ClassifiedImages:
    """Open the images at a path: a split of a benchmark if it has tars, else a folder of pictures.

    With `settings.images` the path is a folder of pictures; a split is a folder in it.
    """
    if settings.images is None and is_benchmark(data):
        return open_benchmark(data, settings.split or "test")
    if settings.images is None and not storage.is_folder(data):
        raise InputError("no such folder", where=data, remedy="give a benchmark, or --images FOLDER")
    return open_folder(data if settings.split is None else storage.join(data, settings.split), settings.classes)


def classify(model: CLIP, tokenizer: CaptionTokenizer, data: str, settings: EvaluationSettings) -> Figures:
    """Return predictions for the images at a path, and figures if they are labelled."""
    return classify_images(model, tokenizer, open_images(data, settings), settings)


@torch.no_grad()
def classify_images(
    model: CLIP, tokenizer: CaptionTokenizer, images: ClassifiedImages, settings: EvaluationSettings
) -> Figures:
    """Return predictions for images, and figures if they are labelled."""
    device, shape, templates = model.logit_scale.device, model.config.image, templates_of(images, settings.templates)
    classes = class_embeddings(model, tokenizer, [name.names for name in images.classes], templates, settings)
    check_finite(classes, "classes")
    found = embed_images(images, model.encode_image, shape.size, settings, device, squash=shape.squashes)
    several = isinstance(images, Benchmark) and images.multilabel
    labels = found.labels if images.labelled and not several else None
    ranking = rank_classes(found.vectors, classes, labels, float(whole(model.logit_scale.detach()).exp()))
    if ranking.ranks is not None:
        values = dict(classification_figures(ranking.ranks, found.labels, len(images.classes)))
    else:
        values = dict(precision_figures(found.vectors @ classes.T, found.labels)) if several else {}
        values["n"] = float(len(found.names))
    return Figures(
        values | {"skipped": float(len(found.skipped))},
        found.skipped,
        found.reused,
        notes=(
            *images.notes,
            *_cut_texts(tokenizer, images.classes, templates),
            *_shared_names(images.classes),
            *_absent_classes(images.classes, labels),
        ),
        classes=tuple(name.shown for name in images.classes),
        predictions=predictions_of(images.classes, found, ranking),
        thumbnails=partial(thumbnails_of, images),
    )


def _cut_texts(
    tokenizer: CaptionTokenizer, classes: tuple[ClassName, ...], templates: tuple[str, ...]
) -> Iterator[str]:
    """Yield a note if names of classes differ only beyond the tokens that the model reads."""
    for template in sorted(templates, key=len)[:1]:
        rows = Counter(tokenizer.row(template.replace(PLACEHOLDER, name.shown)).tobytes() for name in classes)
        equal = sum(count for count in rows.values() if count > 1)
        if equal:
            yield f"{equal:,} classes have the text of another one: the model reads {tokenizer.context} tokens per text"


def _shared_names(classes: tuple[ClassName, ...]) -> Iterator[str]:
    """Yield a note if a name belongs to several classes: its text is in the mean of each of them."""
    counts = Counter(name for one in classes for name in {folded(name) for name in one.names})
    shared = [name for name, count in counts.items() if count > 1]
    if shared:
        yield f"names of several classes: {listed(shared)}"


def _absent_classes(classes: tuple[ClassName, ...], labels: torch.Tensor | None) -> Iterator[str]:
    """Yield a note if classes have no image that could be read: they are not in the mean recall per class."""
    if labels is None:
        return
    found = set(labels.tolist())
    absent = [name.shown for place, name in enumerate(classes) if place not in found]
    if absent:
        yield f"classes without an image, which mean_class_recall leaves out: {listed(absent)}"


def templates_of(images: ClassifiedImages, name: str | None) -> tuple[str, ...]:
    """Return the templates of a name or file, else those of the benchmark, else the bundled ensemble `photo`."""
    if name is not None:
        return load_templates(name)
    return images.templates if isinstance(images, Benchmark) else PHOTO


def predictions_of(classes: tuple[ClassName, ...], found: EmbeddedImages, ranking: Ranking) -> tuple[Prediction, ...]:
    """Return the best classes of each image with their probabilities."""
    shown = [name.shown for name in classes]
    labels = [None] * len(found.names) if ranking.ranks is None else [shown[label] for label in found.labels.tolist()]
    right = [None] * len(found.names) if ranking.ranks is None else (ranking.ranks < 1).tolist()
    tops = zip(ranking.best.tolist(), torch.Tensor.tolist(ranking.probabilities), strict=True)
    return tuple(
        Prediction(name, number, label, hit, tuple((shown[place], share) for place, share in zip(*top, strict=True)))
        for name, number, label, hit, top in zip(found.names, found.numbers, labels, right, tops, strict=True)
    )
