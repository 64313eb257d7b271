"""Evaluates the models of `loom demo` on images that no model has seen."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial

from corpusloom.pipelines.cli.demo.folder import DemoFolder
from corpusloom.pipelines.cli.demo.lanes import fewer_steps
from corpusloom.pipelines.cli.demo.result import Gate
from corpusloom.pipelines.demo import drawing, grammar
from corpusloom.pipelines.demo.evaluation_set import write_captioned, write_zero_shot
from corpusloom.pipelines.demo.sites import EXAM_PICTURES
from corpusloom.schemas import storage

VILBERT_PAGE = ("reports", "vilbert.html")
"""Path of the page of ViLBERT's retrieval in the demo's folder."""
CHANCE_FACTOR = 26.0
"""Multiple of the figure by chance that CLIP's must reach."""
RETRIEVED = 0.62
"""Share of the captions, at least, for which ViLBERT must find their own image first."""
RIGHT_IMAGE_SHARE = 2 / 3
"""Share of captions, at least, that Flamingo must find likelier with the right image than with a wrong one."""
COLOUR_NAMED, SHAPE_NAMED, F1_GAIN = 0.85, 0.4, 0.15
"""Least figures of Flamingo's captions: shares with the right colour and shape, and the word F1 gained by one shot."""


def examine_models(demo: DemoFolder) -> list[Gate]:
    """Evaluate the three models."""
    seen, unseen = demo.path("evaluation", "zero-shot"), demo.path("evaluation", "unseen-combinations")
    if not storage.exists(storage.join(seen, "classnames.txt")):
        per_class = 2 if demo.quick else 8
        write_captioned(seen, _captioned(demo.path("datasets", "align")))
        write_zero_shot(seen, drawing.evaluation_pictures(per_class))
        write_zero_shot(unseen, drawing.unseen_pictures(per_class))
    zero = evaluate_once(demo, "zero-shot", "clip", seen)
    ceiling = measure_ceiling_once(demo, seen)
    combined = evaluate_once(demo, "zero-shot", "clip", unseen)
    images = 20 if demo.quick else EXAM_PICTURES
    regions = demo.path("datasets", "exam-regions")
    ranked = evaluate_once(demo, "retrieval", "vilbert", regions, images, demo.path(*VILBERT_PAGE))
    gates = [
        make_gate("clip zero-shot top-1", zero, "top1", zero["chance"] * CHANCE_FACTOR),
        make_gate("clip's image tower, supervised", ceiling, "top1", None),
        make_gate("clip on unseen combinations", combined, "top1", None),
        make_gate("vilbert retrieval R@1", ranked, "r1", RETRIEVED),
        make_gate("  ridge regression on the same features", retrieval_floor_once(demo, images), "r1", None),
        *flamingo_gates(page_figures_once(demo), frozen_figures_once(demo)),
    ]
    return [replace(gate, wanted=None) for gate in gates] if demo.quick else gates


def flamingo_gates(own: dict[str, float], frozen: dict[str, float]) -> list[Gate]:
    """Return Flamingo's figures, each beside what its frozen CLIP reaches on the same images."""
    return [
        make_gate("flamingo caption, right image", own, "right_image_likelier", RIGHT_IMAGE_SHARE),
        make_gate("  the frozen clip itself (ceiling)", frozen, "right_image_likelier", None),
        make_gate("flamingo names the colour", own, "colour_named", COLOUR_NAMED),
        make_gate("  ridge regression on the clip's output", frozen, "colour_named", None),
        make_gate("flamingo names the shape", own, "shape_named", SHAPE_NAMED),
        make_gate("  ridge regression on the clip's output", frozen, "shape_named", None),
        make_gate("flamingo caption F1, 0 shots", own, "f1_0_shots", None),
        make_gate("flamingo caption F1, 1 shot of the page", own, "f1_1_shot", None),
        make_gate("flamingo caption F1, 2 shots", own, "f1_2_shots", None),
        make_gate("flamingo caption F1, 4 shots", own, "f1_4_shots", None),
        make_gate("  control: 1 shot, wrong image", own, "f1_1_shot_wrong_image", None),
        make_gate("  control: 1 shot of another page", own, "f1_1_shot_other_page", None),
        make_gate("flamingo F1 gained by 1 shot", own, "f1_gain", F1_GAIN),
    ]


def _captioned(dataset: str) -> Iterator[tuple[str, bytes]]:
    """Yield caption and encoded image of each pair of a dataset."""
    from corpusloom.trainers.stream.dataset import StreamingDataset
    from corpusloom.trainers.stream.samples.typed import PairSample

    with closing(StreamingDataset(dataset, shuffle=False, rank=0, world_size=1)) as stream:
        yield from ((sample.text, sample.image) for sample in stream if isinstance(sample, PairSample))


def evaluate_once(
    demo: DemoFolder, kind: str, family: str, data: str, limit: int | None = None, page: str | None = None
) -> dict[str, float]:
    """Evaluate a model and write its page, if one is named, or return the figures stored for its newest checkpoint."""
    from corpusloom.trainers.evaluation.batches import EvaluationSettings
    from corpusloom.trainers.jobs.evaluate import evaluate

    def figures() -> Mapping[str, float]:
        return evaluate(kind, demo.path("runs", family), data, EvaluationSettings(limit=limit), html=page).figures

    return _once(demo, family, data.rstrip("/").rsplit("/", 1)[-1], f"{kind} of {family}", figures, page)


def measure_ceiling_once(demo: DemoFolder, data: str) -> dict[str, float]:
    """Train CLIP's image tower on the labels of a folder's images, or return the figures stored for the checkpoint."""
    from corpusloom.trainers.clip.zero_shot.supervised import supervised_ceiling
    from corpusloom.trainers.training.config import load_config

    def figures() -> Mapping[str, float]:
        return supervised_ceiling(load_config("clip-tiny", fewer_steps(demo)), data)

    return _once(demo, "clip", "supervised", "supervised ceiling of clip's image tower", figures)


def retrieval_floor_once(demo: DemoFolder, images: int) -> dict[str, float]:
    """Rank the same images by a linear map of their features, or return the figures stored for the checkpoint."""
    from corpusloom.trainers.vilbert.retrieval.floor import floor_of_retrieval

    known, asked = demo.path("datasets", "regions"), demo.path("datasets", "exam-regions")
    figures = partial(floor_of_retrieval, known, asked, images)
    return _once(demo, "vilbert", "floor", "linear floor of vilbert's retrieval", figures)


def page_figures_once(demo: DemoFolder) -> dict[str, float]:
    """Evaluate Flamingo's captions on the pages of the exam, or return the figures stored for its newest checkpoint."""
    from corpusloom.trainers.flamingo.prompts.same_page import page_figures

    run, exam, pages = demo.path("runs", "flamingo"), demo.path("datasets", "exam"), 3 if demo.quick else None
    figures = partial(page_figures, run, exam, grammar.attributes_of, pages)
    return _once(demo, "flamingo", "pages", "captions of flamingo", figures)


def frozen_figures_once(demo: DemoFolder) -> dict[str, float]:
    """Evaluate the CLIP in Flamingo on the same images, or return the figures stored for its newest checkpoint."""
    from corpusloom.trainers.clip.zero_shot.frozen_figures import frozen_figures

    run, known, asked = demo.path("runs", "clip"), demo.path("datasets", "align"), demo.path("datasets", "exam")
    figures = partial(frozen_figures, run, known, asked, grammar.attributes_of)
    return _once(demo, "clip", "frozen", "frozen clip of flamingo", figures)


def _once(
    demo: DemoFolder,
    family: str,
    name: str,
    detail: str,
    figures: Callable[[], Mapping[str, float]],
    page: str | None = None,
) -> dict[str, float]:
    """Return figures, computed once per checkpoint of a model, and again if the page that belongs to them is not there.

    `detail` names the work in the progress.
    """
    from corpusloom.trainers.checkpoints.folders import find

    path, newest = demo.path("evaluation", f"{family}-{name}.json"), find(demo.path("runs", family))
    if storage.exists(path) and (page is None or storage.exists(page)):
        known = json.loads(storage.read_bytes(path))
        if known["checkpoint"] == newest:
            return dict(known["figures"])
    with demo.reporter.stage("evaluations", detail=detail):
        found = dict(figures())
    storage.write_bytes(path, json.dumps({"checkpoint": newest, "figures": found}, indent=1).encode())
    return found


def make_gate(name: str, figures: dict[str, float], figure: str, wanted: float | None) -> Gate:
    """Return one figure of an evaluation as a gate."""
    low, high = figures[f"{figure}_low"], figures[f"{figure}_high"]
    return Gate(name, figures[figure], low, high, figures[f"{figure}_chance"], wanted)
