"""A linear classifier on a CLIP's image features: the linear probe (arXiv 2103.00020, section 3.2 and appendix A.3).

Data: a benchmark with the splits train and test (and val), folders train and test of class folders, or class folders,
of whose pictures every fifth is held out for the test. Shapes: N images, D features.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor, nn

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.tokens.of_model import CaptionTokenizer
from corpusloom.trainers.clip.zero_shot.benchmarks import is_benchmark, open_benchmark, splits_of
from corpusloom.trainers.clip.zero_shot.classify import ClassifiedImages, predictions_of
from corpusloom.trainers.clip.zero_shot.embed_images import EmbeddedImages, embed_images, thumbnails_of
from corpusloom.trainers.clip.zero_shot.figures import classification_figures, rank_scores
from corpusloom.trainers.clip.zero_shot.image_folders import open_folder
from corpusloom.trainers.evaluation.batches import EvaluationSettings, Figures
from corpusloom.trainers.evaluation.logistic_regression import choose_strength, fit
from corpusloom.trainers.training import collectives

Rows: TypeAlias = tuple[Tensor, Tensor]
"""Features, (N, D), and labels, (N,)."""
EVERY = 5
"""One of this many images per class is held out if there is no split for it."""


@dataclass(frozen=True, slots=True)
class ProbeData:
    """Images for training, for the choice of the regularisation, and for the test."""

    train: ClassifiedImages
    val: ClassifiedImages | None
    """None: a share 1 / EVERY of the training images."""
    test: ClassifiedImages | None
    """None: a share 1 / EVERY of the training images."""
    notes: tuple[str, ...] = ()
    """Remarks on the data, for the user."""


def open_probe(data: str, settings: EvaluationSettings) -> ProbeData:
    """Open the splits of a benchmark or of folders of pictures."""
    if settings.images is None and is_benchmark(data):
        names = splits_of(data)
        opened = {name: open_benchmark(data, name) for name in ("train", "val", "test") if name in names}
        if "train" not in opened or "test" not in opened:
            raise InputError("no splits train and test", where=data, remedy="add train/0.tar and test/0.tar")
        if opened["train"].multilabel:
            raise ConfigError("a benchmark of several labels", where=data, remedy="loom eval zero-shot --data FOLDER")
        return ProbeData(opened["train"], opened.get("val"), opened["test"])
    if not storage.is_folder(data):
        raise InputError("no such folder", where=data, remedy="give a benchmark, or --images FOLDER")
    names = storage.folders(data)
    if "train" not in names:
        note = f"every {EVERY}th picture of a class is held out for the test"
        return ProbeData(_folder(data, settings), None, None, (note,))
    folders = {name: _folder(storage.join(data, name), settings) for name in ("train", "val", "test") if name in names}
    if "test" not in folders:
        raise InputError("a folder train without a folder test", where=data, remedy="add it, or give class folders")
    known = [name.shown for name in folders["train"].classes]
    for name, found in folders.items():
        if [own.shown for own in found.classes] != known:
            raise ConfigError(f"train and {name} have different class folders", where=data, remedy="give them the same")
    return ProbeData(folders["train"], folders.get("val"), folders["test"])


def _folder(path: str, settings: EvaluationSettings) -> ClassifiedImages:
    found = open_folder(path, settings.classes)
    if not found.labelled:
        raise ConfigError("the pictures have no labels", where=path, remedy="put them into a folder per class")
    return found


def probe(model: CLIP, tokenizer: CaptionTokenizer, data: str, settings: EvaluationSettings) -> Figures:
    """Return the figures of a linear classifier of image features, trained by logistic regression.

    The regularisation is chosen on held-out images, and the classifier is fitted again to all that it was chosen with.
    Chance is the share of the commonest class.
    """
    splits, shape, device = open_probe(data, settings), model.config.image, model.logit_scale.device

    def embed(images: ClassifiedImages, name: str) -> EmbeddedImages:
        partial_folder = None if settings.partial is None else storage.join(settings.partial, name)
        own, encode = replace(settings, partial=partial_folder), partial(image_features, model)
        with torch.no_grad():
            return embed_images(images, encode, shape.size, own, device, squash=shape.squashes)

    given = {"train": splits.train, "val": splits.val, "test": splits.test}
    parts = {name: embed(images, name) for name, images in given.items() if images is not None}
    fitting, choosing, tested = divide(parts, splits.train)
    classes = len(splits.train.classes)
    strength = collectives.from_rank_0(partial(choose_strength, fitting, choosing, classes))
    both = torch.cat([fitting[0], choosing[0]]), torch.cat([fitting[1], choosing[1]])
    ranking = rank_scores(fit(*both, classes, strength)(tested.vectors), tested.labels)
    assert ranking.ranks is not None
    values = dict(classification_figures(ranking.ranks, tested.labels, classes))
    commonest = max(Counter(tested.labels.tolist()).values()) / len(tested.labels)
    skipped = tuple(line for part in parts.values() for line in part.skipped)
    values |= {
        "top1_chance": max(commonest, values["top1_chance"]),
        "strength": strength,
        "train_n": float(len(both[0])),
        "skipped": float(len(skipped)),
    }
    return Figures(
        values,
        skipped,
        sum(part.reused for part in parts.values()),
        notes=(*splits.notes, *splits.train.notes),
        classes=tuple(name.shown for name in splits.train.classes),
        predictions=predictions_of(splits.train.classes, tested, ranking),
        thumbnails=partial(thumbnails_of, splits.test or splits.train),
    )


def divide(parts: Mapping[str, EmbeddedImages], images: ClassifiedImages) -> tuple[Rows, Rows, EmbeddedImages]:
    """Return the rows to fit to, those to choose the regularisation by, and the images of the test.

    Where there is no split val or test, every fifth image of a class is held out of train. Raises InputError if a class
    has no image to learn from, or if none can be held out.
    """
    train = parts["train"]
    tested, rows = parts.get("test"), torch.arange(len(train.labels), device=train.labels.device)
    if tested is None:
        rows, held = hold_out(rows, train.labels)
        tested = _part(train, held.tolist())
    if "val" in parts:
        choosing = parts["val"].vectors, parts["val"].labels
    else:
        rows, held = hold_out(rows, train.labels[rows])
        choosing = train.vectors[held], train.labels[held]
    fitting = train.vectors[rows], train.labels[rows]
    counts = fitting[1].bincount(minlength=len(images.classes)).tolist()
    few = [name.shown for name, count in zip(images.classes, counts, strict=True) if count == 0]
    remedy = f"give each class {EVERY + 2} pictures or more"
    if few:
        what = f"classes without a training picture: {', '.join(few[:5])}"
        raise InputError(what, where=images.folder, remedy=remedy)
    if not len(tested.labels) or not len(choosing[1]):
        raise InputError("too few pictures to hold some out", where=images.folder, remedy=remedy)
    return fitting, choosing, tested


def image_features(model: CLIP, images: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, D): the input of the tower's projection, or the tower's output if it has none."""
    projection = getattr(model.image, "projection", None)
    if not isinstance(projection, nn.Linear):
        return model.image(images)
    seen: list[Tensor] = []
    handle = projection.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        model.image(images)
    finally:
        handle.remove()
    return seen[0]


def hold_out(rows: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Divide rows, (N,) each: of every class every fifth is in the second part, the others are in the first."""
    held = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    for label in labels.unique():
        held[(labels == label).nonzero()[EVERY - 1 :: EVERY, 0]] = True
    return rows[~held], rows[held]


def _part(found: EmbeddedImages, places: Sequence[int]) -> EmbeddedImages:
    return replace(
        found,
        names=tuple(found.names[place] for place in places),
        numbers=tuple(found.numbers[place] for place in places),
        vectors=found.vectors[list(places)],
        labels=found.labels[list(places)],
        skipped=(),
    )
