"""The evaluations of a CLIP by name."""

from collections.abc import Mapping

from corpusloom.trainers.clip.zero_shot.classify import classify
from corpusloom.trainers.clip.zero_shot.linear_probe import probe
from corpusloom.trainers.clip.zero_shot.retrieval.retrieve import retrieve
from corpusloom.trainers.evaluation.batches import Evaluation


def evaluations() -> Mapping[str, Evaluation]:
    """Return the evaluations of a CLIP by name; they take its tokenizer beside it."""
    return {"zero-shot": classify, "retrieval": retrieve, "linear-probe": probe}
