"""The floor of ViLBERT's retrieval: a linear map from an image's mean region feature to the words of its caption."""

from contextlib import ExitStack

import numpy as np
import torch

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.evaluation.batches import EvaluationSettings, read_all
from corpusloom.trainers.evaluation.samples import dataset_source
from corpusloom.trainers.evaluation.word_ridge import fit_word_ridge
from corpusloom.trainers.stream.samples.typed import RegionsSample, TypedSample
from corpusloom.trainers.vilbert.retrieval.figures import retrieval

PENALTY = 3_000.0
"""Weight of the squared coefficients for features of deviation 1; from 1,000 to 10,000 the demo's R@1 is .76 to .84."""


def floor_of_retrieval(train: str, data: str, limit: int | None = None) -> dict[str, float]:
    """Return the figures of retrieval among the first pairs of a dataset, by a ridge regression on those of `train`."""
    known, known_captions = mean_features(train)
    asked, captions = mean_features(data, limit)
    middle, deviation = known.mean(0), known.std(0) + 1e-6
    ridge = fit_word_ridge((known - middle) / deviation, known_captions, PENALTY)
    scores = ridge.scores((asked - middle) / deviation, captions)
    return dict(retrieval(torch.from_numpy(scores.T.copy())))


def mean_features(data: str, limit: int | None = None) -> tuple[np.ndarray, list[str]]:
    """Return the mean region feature of each image, (N, F), and the captions."""

    def row(sample: TypedSample) -> tuple[np.ndarray, str]:
        if not isinstance(sample, RegionsSample):
            raise ConfigError("no regions", where=data, remedy="loom build regions --from DATASET")
        return sample.features.astype(np.float64).mean(0), sample.text

    with ExitStack() as closing:
        rows, _ = read_all(dataset_source([data], row, closing, limit=limit), EvaluationSettings())
    return np.stack([features for features, _ in rows]), [caption for _, caption in rows]
