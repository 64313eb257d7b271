"""The models of `loom demo`: trains them on its datasets and evaluates them on held-out images."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import astuple, replace

from corpusloom.pipelines.cli.demo_folder import DemoFolder
from corpusloom.pipelines.cli.demo_result import Gate, Training
from corpusloom.pipelines.cli.run_training import run_training
from corpusloom.pipelines.demo import drawing
from corpusloom.pipelines.demo.evaluation_set import write_captioned, write_zero_shot
from corpusloom.schemas import storage

QUICK_STEPS = 12
CHANCE_FACTORS = {"clip": 26.0, "vilbert": 5.0}
"""Model -> multiple of the figure by chance that its own figure must reach."""
RIGHT_IMAGE_SHARE = 2 / 3
"""Share of captions, at least, that Flamingo must find likelier with the right image than with a wrong one."""


def train_models(demo: DemoFolder) -> dict[str, Training]:
    """Train the three models; Flamingo uses the trained CLIP as its vision encoder."""
    m3w, align, region = (demo.path("datasets", name) for name in ("m3w", "align", "regions"))
    clip_checkpoint = f"model.vision.checkpoint='{demo.path('runs', 'clip')}'"
    runs: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
        "clip": ("clip-tiny", (align,), ()),
        "flamingo": ("flamingo-tiny", (f"m3w={m3w}", f"align={align}:4"), ("data.lambdas.m3w=0.2", clip_checkpoint)),
        "vilbert": ("vilbert-tiny", (region,), ()),
    }
    return {family: _train(demo, family, *run) for family, run in runs.items()}


def _train(demo: DemoFolder, family: str, config: str, data: tuple[str, ...], changes: tuple[str, ...]) -> Training:
    """Train one model, unless an earlier run trained it."""
    from corpusloom.trainers.training.config import load_config

    loaded = load_config(config, (*changes, *_fewer_steps(demo)))
    with demo.step(f"train {family}"):
        result = run_training(family, loaded, data, demo.path("runs", family), demo.reporter)
    summary = demo.path("runs", family, "summary.json")
    if result.report is not None:
        training = Training(result.steps, result.report.loss, result.seconds)
        storage.write_bytes(summary, json.dumps(astuple(training)).encode())
    else:
        demo.reporter.note(f"  {family}: trained before, step {result.steps}")
    return Training(*json.loads(storage.read_bytes(summary)))


def _fewer_steps(demo: DemoFolder) -> tuple[str, ...]:
    """Return the changes of a configuration for --quick."""
    return (f"train.steps={QUICK_STEPS}", "train.warmup=2") if demo.quick else ()


def examine_models(demo: DemoFolder) -> list[Gate]:
    """Evaluate the three models."""
    seen, unseen = demo.path("evaluation", "zero-shot"), demo.path("evaluation", "unseen-combinations")
    if not storage.exists(storage.join(seen, "classnames.txt")):
        per_class = 2 if demo.quick else 8
        write_captioned(seen, _captioned(demo.path("datasets", "align")))
        write_zero_shot(seen, drawing.evaluation_pictures(per_class))
        write_zero_shot(unseen, drawing.unseen_pictures(per_class))
    limit = 20 if demo.quick else 100
    zero = evaluate_once(demo, "zero-shot", "clip", seen)
    ceiling = measure_ceiling_once(demo, seen)
    combined = evaluate_once(demo, "zero-shot", "clip", unseen)
    ranked = evaluate_once(demo, "retrieval", "vilbert", demo.path("datasets", "exam-regions"), limit)
    liked = evaluate_once(demo, "few-shot", "flamingo", demo.path("datasets", "exam"), limit)
    gates = [
        make_gate("clip zero-shot top-1", zero, "top1", zero["chance"] * CHANCE_FACTORS["clip"]),
        make_gate("clip's image tower, supervised", ceiling, "top1", None),
        make_gate("clip on unseen combinations", combined, "top1", None),
        make_gate("vilbert retrieval R@1", ranked, "r1", ranked["chance"] * CHANCE_FACTORS["vilbert"]),
        make_gate("flamingo caption, right image", liked, "right_image_likelier", RIGHT_IMAGE_SHARE),
    ]
    return [replace(gate, wanted=None) for gate in gates] if demo.quick else gates


def _captioned(dataset: str) -> Iterator[tuple[str, bytes]]:
    """Yield caption and encoded image of each pair of a dataset."""
    from corpusloom.trainers.stream.dataset import StreamingDataset
    from corpusloom.trainers.stream.samples.typed import PairSample

    with closing(StreamingDataset(dataset, shuffle=False, rank=0, world_size=1)) as stream:
        yield from ((sample.text, sample.image) for sample in stream if isinstance(sample, PairSample))


def evaluate_once(demo: DemoFolder, kind: str, family: str, data: str, limit: int | None = None) -> dict[str, float]:
    """Evaluate a model, or return the figures stored for its newest checkpoint."""
    from corpusloom.trainers.evaluation.batches import EvaluationSettings
    from corpusloom.trainers.jobs.evaluate import evaluate

    def figures() -> Mapping[str, float]:
        with demo.reporter.stage("evaluations", detail=f"{kind} of {family}"):
            settings = EvaluationSettings(limit=limit, shots=(2,), prompt="")
            return evaluate(kind, demo.path("runs", family), data, settings).figures

    return _once(demo, family, data.rstrip("/").rsplit("/", 1)[-1], figures)


def measure_ceiling_once(demo: DemoFolder, data: str) -> dict[str, float]:
    """Train CLIP's image tower on the labels of a folder's images, or return the figures stored for the checkpoint."""
    from corpusloom.trainers.clip.zero_shot.supervised import supervised_ceiling
    from corpusloom.trainers.training.config import load_config

    def figures() -> Mapping[str, float]:
        with demo.reporter.stage("evaluations", detail="supervised ceiling of clip's image tower"):
            return supervised_ceiling(load_config("clip-tiny", _fewer_steps(demo)), data)

    return _once(demo, "clip", "supervised", figures)


def _once(demo: DemoFolder, family: str, name: str, figures: Callable[[], Mapping[str, float]]) -> dict[str, float]:
    """Return figures, computed once per checkpoint of a model."""
    from corpusloom.trainers.checkpoints.folders import find

    path, newest = demo.path("evaluation", f"{family}-{name}.json"), find(demo.path("runs", family))
    if storage.exists(path):
        known = json.loads(storage.read_bytes(path))
        if known["checkpoint"] == newest:
            return dict(known["figures"])
    found = dict(figures())
    storage.write_bytes(path, json.dumps({"checkpoint": newest, "figures": found}, indent=1).encode())
    return found


def make_gate(name: str, figures: dict[str, float], figure: str, wanted: float | None) -> Gate:
    """Return one figure of an evaluation as a gate."""
    low, high = figures[f"{figure}_low"], figures[f"{figure}_high"]
    return Gate(name, figures[figure], low, high, figures["chance"], wanted)
