"""The evaluations of a CLIP are found by name."""

from corpusloom.trainers.clip.evaluate import evaluations
from corpusloom.trainers.clip.zero_shot.classify import classify
from corpusloom.trainers.clip.zero_shot.linear_probe import probe
from corpusloom.trainers.clip.zero_shot.retrieval.retrieve import retrieve


def test_the_evaluations_are_listed_by_name() -> None:
    assert evaluations() == {"zero-shot": classify, "retrieval": retrieve, "linear-probe": probe}
