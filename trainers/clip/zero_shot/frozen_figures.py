"""Figures of a frozen CLIP on pairs: the bounds of a model that is built on its image tower.

Shapes: N images, D features, C classes.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

import numpy as np
import torch
from torch import Tensor

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.clip.data import evaluation_image
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.task import load_clip
from corpusloom.trainers.evaluation.batches import EvaluationSettings, read_all
from corpusloom.trainers.evaluation.figures import share
from corpusloom.trainers.evaluation.samples import dataset_source
from corpusloom.trainers.evaluation.word_ridge import ridge_weights, with_one
from corpusloom.trainers.stream.samples.typed import PairSample, TypedSample

Labelled = tuple[Tensor, list[Mapping[str, str]]]
"""Embeddings of images, (N, D), and per image the kinds and values of its attributes."""
RIDGE = 0.1
"""Weight of the squared norm of a ridge regression on features of norm 1."""
AT_ONCE = 256
"""Images that are embedded together."""


def frozen_figures(
    path: str, train: str, data: str, attributes: Callable[[str], Mapping[str, str]]
) -> dict[str, float]:
    """Return figures of a CLIP on the pairs of a dataset.

    - right_image_likelier: share of captions that are nearer to their own image than to the next one's;
    - NAME_named: share of images whose attribute NAME a ridge regression on the image's embedding finds. It learns from
      the images of `train` and the attributes that their captions name.
    """
    clip, tokenizer = load_clip(path)
    clip.eval()
    images, texts = _embed(clip, data)
    with torch.no_grad():
        captions = clip.encode_text(torch.from_numpy(tokenizer.rows(texts)))
    own, other = ((rows * captions).sum(1) for rows in (images, images.roll(-1, 0)))
    figures = dict(share("right_image_likelier", own > other, 0.5))
    known, known_texts = _embed(clip, train)
    wanted = [attributes(text) for text in texts]
    labels = [attributes(text) for text in known_texts]
    for kind in sorted({kind for one in wanted for kind in one}):
        figures |= dict(_ridge_figure(kind, (known, labels), (images, wanted)))
    return figures


def _embed(clip: CLIP, data: str) -> tuple[Tensor, list[str]]:
    """Return the embeddings of a dataset's images, (N, D), and their captions, by page and key."""
    size, squash = clip.config.image.size, clip.config.image.squashes

    def row(sample: TypedSample) -> tuple[str, str, np.ndarray, str]:
        if not isinstance(sample, PairSample):
            raise ConfigError("a CLIP's figures need pairs", where="--data", remedy="give a dataset of pairs")
        pixels = evaluation_image(sample.image, size, squash=squash)
        return str(sample.info.get("page_url", "")), sample.key, pixels, sample.text

    with ExitStack() as closing:
        rows, _ = read_all(dataset_source([data], row, closing), EvaluationSettings())
    rows.sort(key=lambda one: one[:2])
    pixels = torch.from_numpy(np.stack([one[2] for one in rows]))
    with torch.no_grad():
        vectors = torch.cat([clip.encode_image(part) for part in pixels.split(AT_ONCE)])
    return vectors, [one[3] for one in rows]


def _ridge_figure(kind: str, known: Labelled, asked: Labelled) -> Iterator[tuple[str, float]]:
    """Yield the share of images whose attribute is found; images without the attribute are left out."""
    features, values = _having(kind, known)
    names = sorted(set(values))
    weights = ridge(features, torch.tensor([names.index(value) for value in values]), len(names))
    features, values = _having(kind, asked)
    found = (with_one(features.numpy()) @ weights.numpy()).argmax(1).tolist()
    hits = torch.tensor([names[place] == value for place, value in zip(found, values, strict=True)])
    yield from share(f"{kind}_named", hits, 1 / len(names))


def _having(kind: str, labelled: Labelled) -> tuple[Tensor, list[str]]:
    """Return the features and values of the images that have an attribute of a kind."""
    features, attributes = labelled
    kept = [number for number, one in enumerate(attributes) if kind in one]
    return features[kept], [attributes[number][kind] for number in kept]


def ridge(features: Tensor, labels: Tensor, classes: int, strength: float = RIDGE) -> Tensor:
    """Return the weights, (D + 1, C), that minimise the squared error of one-hot labels plus their weighted norm.

    (N, D), (N,) int. The last row is the bias; it has the same weight of the norm.
    """
    targets = torch.nn.functional.one_hot(labels, classes).numpy()
    return torch.from_numpy(ridge_weights(features.numpy(), targets, strength))
