"""The evaluations of a ViLBERT by name."""

from collections.abc import Mapping
from dataclasses import replace

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.evaluation.batches import Evaluation, EvaluationSettings, Figures
from corpusloom.trainers.vilbert.downstream import runs
from corpusloom.trainers.vilbert.model.pretraining import ViLBERT
from corpusloom.trainers.vilbert.model.streams import Streams
from corpusloom.trainers.vilbert.retrieval.captioned import limited, read_captioned
from corpusloom.trainers.vilbert.retrieval.pool import RetrievalTools, retrieve_captioned, retrieve_samples

LIMIT = 100
"""Default number of samples without a file of captions; their square is scored."""


def evaluations() -> Mapping[str, Evaluation]:
    """Return the evaluations of a ViLBERT by name: of the pre-training model, and of those of the tasks.

    They take beside it `RetrievalTools` or `TaskTools`.
    """
    return {"retrieval": retrieve, **runs.evaluations()}


def retrieve(model: Streams, tools: RetrievalTools, data: str, settings: EvaluationSettings) -> Figures:
    """Return the figures of retrieval by the alignment head.

    With `settings.annotations` the pool has all images of these files of captions, by default of Karpathy's split test;
    without, it has the first samples of the dataset.
    """
    if not isinstance(model, ViLBERT):
        what = f"the checkpoint is of the task {model.config.task}, which has no alignment head"
        raise ConfigError(what, where="--checkpoint", remedy="give a run of the pre-training or of retrieval")
    if settings.images is not None:
        raise ConfigError("a ViLBERT reads regions, not images", where="--images", remedy="give --data REGIONS")
    if not settings.annotations:
        limit = LIMIT if settings.limit is None else settings.limit
        return retrieve_samples(model, tools, [data], replace(settings, limit=limit), settings.split)
    karpathy = all(path.endswith(".json") for path in settings.annotations)
    captioned = read_captioned(settings.annotations, settings.split or ("test" if karpathy else None))
    return retrieve_captioned(model, tools, data, limited(captioned, settings.limit), settings)
