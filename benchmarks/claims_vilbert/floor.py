"""Floors of the figures: ridge regressions, and the most frequent answer to the same question.

Shapes: E scenes of the exam, N scenes of the training, D values.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch

from benchmarks.claims_vilbert.measure import ANSWERS, BOTH, RATIONALES, Values, hits_of
from benchmarks.claims_vilbert.questions import choices, expressions, questions
from benchmarks.claims_vilbert.world import HEIGHT, WIDTH, Scene
from corpusloom.trainers.evaluation.word_ridge import WordRidge, fit_word_ridge

PENALTY = 30.0


def retrieval_floor(known: Sequence[Scene], asked: Sequence[Scene]) -> Values:
    """Return R@k per caption of a ridge regression of a caption's words on the mean region feature."""
    ridge = fit_word_ridge(_means(known), [scene.caption for scene in known], PENALTY)
    scores = ridge.scores(_means(asked), [scene.caption for scene in asked])
    return hits_of(torch.from_numpy(scores.T.copy()))


def vqa_floor(known: Sequence[Scene], asked: Sequence[Scene]) -> Values:
    """Return per scene how many questions the most frequent answer to the same question answers.

    A question that the training lacks has the most frequent answer to those that begin with the same two words.
    """
    counts: dict[str, Counter[str]] = {}
    for scene in known:
        for question in questions(scene):
            for key in (question.text, _beginning(question.text)):
                counts.setdefault(key, Counter())[question.answer] += 1

    def answer(text: str) -> str:
        return (counts.get(text) or counts[_beginning(text)]).most_common(1)[0][0]

    return {"accuracy": np.array([np.mean([answer(q.text) == q.answer for q in questions(scene)]) for scene in asked])}


def _beginning(text: str) -> str:
    return " ".join(text.split()[:2])


def vcr_floor(known: Sequence[Scene], asked: Sequence[Scene]) -> Values:
    """Return per scene whether a ridge regression of the right choice's words on the mean region feature finds it."""
    found = {}
    for kind, name in ((ANSWERS, "answers"), (RATIONALES, "rationales")):
        ridge = fit_word_ridge(_means(known), [getattr(choices(scene), name)[0] for scene in known], PENALTY)
        found[kind] = np.array([_first_is_best(ridge, scene, getattr(choices(scene), name)) for scene in asked])
    return found | {BOTH: found[ANSWERS] * found[RATIONALES]}


def _first_is_best(ridge: WordRidge, scene: Scene, texts: Sequence[str]) -> float:
    return float(ridge.scores(_means([scene]), texts)[0].argmax() == 0)


def refcoco_floor(known: Sequence[Scene], asked: Sequence[Scene]) -> Values:
    """Return per scene how often a ridge regression of an expression's words on a region's feature and box finds it."""
    places = [(scene, at, text) for scene in known for at, text in expressions(scene)]
    rows = np.stack([_regions(scene)[_region_of(scene, at)] for scene, at, _ in places])
    ridge = fit_word_ridge(rows, [text for *_, text in places], PENALTY)

    def share(scene: Scene) -> float:
        rows = _regions(scene)
        return float(np.mean([
            ridge.scores(rows, [text])[:, 0].argmax() == _region_of(scene, at) for at, text in expressions(scene)
        ]))  # fmt: skip

    return {"accuracy": np.array([share(scene) for scene in asked])}


def _region_of(scene: Scene, at: int) -> int:
    """Return the number of the region whose box is nearest to an object's."""
    return int(np.abs(scene.regions["boxes"] - scene.things[at].box).sum(1).argmin())


def _regions(scene: Scene) -> np.ndarray:
    """Return feature and box of each region."""
    boxes = scene.regions["boxes"] / (WIDTH, HEIGHT, WIDTH, HEIGHT)
    return np.concatenate([scene.regions["features"].astype(np.float64), boxes], 1)


def _means(scenes: Sequence[Scene]) -> np.ndarray:
    return np.stack([scene.regions["features"].astype(np.float64).mean(0) for scene in scenes])


FLOORS = {"vqa": vqa_floor, "vcr": vcr_floor, "refcoco": refcoco_floor, "retrieval": retrieval_floor}
"""Task -> its floor, from scenes of the training and of the exam."""
FLOOR_NAMES = {"vqa": "most frequent answer", "vcr": "ridge", "refcoco": "ridge", "retrieval": "ridge"}
