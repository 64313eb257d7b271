"""Figures of a trained Flamingo on the exam's pages, one value per picture, and its gates.

Shapes: P pages, K pictures per page, G gated blocks.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch

from benchmarks.claims_common.figures import Values
from corpusloom.pipelines.demo.grammar import attributes_of
from corpusloom.trainers.checkpoints.folders import find
from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.evaluation.captions.word_f1 import word_f1s
from corpusloom.trainers.flamingo.data import FlamingoTransform
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.prompts.episodes import Example
from corpusloom.trainers.flamingo.prompts.few_shot import Trials
from corpusloom.trainers.flamingo.prompts.own_image import caption_log_likelihoods
from corpusloom.trainers.flamingo.prompts.pool import open_pool
from corpusloom.trainers.flamingo.prompts.rices import most_similar
from corpusloom.trainers.flamingo.prompts.same_page import Trial, read_pages, write
from corpusloom.trainers.flamingo.task import build_model, load_evaluated
from corpusloom.trainers.training.checkpoint import read_config

SHOTS = (0, 1, 2, 4, 8)
POOL_SHOTS = 4
"""Shots from a pool, in the comparison of RICES with random shots."""


def shots_name(count: int) -> str:
    """Return the name of a number of shots: 1 shot, 2 shots."""
    return f"{count} shot{'' if count == 1 else 's'}"


TRIALS = {shots_name(count): Trial(count) for count in SHOTS}
CONTROLS = {
    name: trial
    for count in (1, 4)
    for name, trial in {
        f"{shots_name(count)}, shuffled images": Trial(count, images=1),
        f"{shots_name(count)}, another page's": Trial(count, texts=1, images=1),
    }.items()
}
"""Controls of one change each: the following page stands in for another."""
COMPARED = {name: TRIALS[name] for name in ("0 shots", "4 shots")}
"""Trials in which variants are compared."""


def same_page(run: Path, exam: str, trials: Mapping[str, Trial]) -> Values:
    """Return the word F1 of the captions written in each trial, `F1, TRIAL`, and figures without shots.

    `right image` is whether a caption is likelier with its own image than with the next one's; `colour` and `shape`
    whether the caption written without shots names that of the reference.
    """
    model, transform = load_evaluated(str(run))
    pages = read_pages(exam, transform)
    items, values = [item for page in pages for item in page], dict[str, np.ndarray]()
    for name, trial in trials.items():
        values |= judged(f", {name}", write(model, transform, pages, trial), items)
    values["right image"] = likelier(model, transform, items)
    return {name: value.reshape(len(pages), -1) for name, value in values.items()}


def from_pool(run: Path, exam: str, pool: str) -> Values:
    """Return the same figures of captions after POOL_SHOTS pairs of a pool: random ones, and those RICES retrieves."""
    model, transform = load_evaluated(str(run))
    pages = read_pages(exam, transform)
    items, values = [item for page in pages for item in page], dict[str, np.ndarray]()
    settings = EvaluationSettings(prompt="", beams=1)
    with ExitStack() as closing:
        opened = open_pool(pool, transform, closing)
        similar = most_similar(model.vision, items, opened, POOL_SHOTS)
        for name, chosen in (("random", None), ("RICES", similar)):
            trials = Trials(model.eval(), transform.vocabulary, items, opened, chosen, settings)
            values |= judged(f", {name}", trials.texts(range(len(items)), POOL_SHOTS, 0), items)
    return {name: value.reshape(len(pages), -1) for name, value in values.items()}


def judged(ending: str, written: Sequence[str], items: Sequence[Example]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the word F1 of captions, (P * K,), and whether they name the reference's colour and shape."""
    references = [item.text for item in items]
    yield f"F1{ending}", word_f1s(written, references).numpy()
    wanted, found = [attributes_of(text) for text in references], [attributes_of(text) for text in written]
    for kind in ("colour", "shape"):
        hits = [one[kind] == other.get(kind) for one, other in zip(wanted, found, strict=True)]
        yield f"{kind}{ending}", np.array(hits, float)


def likelier(model: Flamingo, transform: FlamingoTransform, items: Sequence[Example]) -> np.ndarray:
    """Return whether each caption is likelier with its own image than with the next item's, (P * K,)."""
    pairs = [(item, items[(number + 1) % len(items)]) for number, item in enumerate(items)]
    parts = [pairs[at : at + 64] for at in range(0, len(pairs), 64)]
    found = torch.cat([caption_log_likelihoods(model, part, transform.vocabulary) for part in parts])
    return (found[:, 0] > found[:, 1]).double().numpy()


def gates(run: Path) -> Values:
    """Return |tanh gate| of each gated block before and after training, `before` and `after`: (G, 2).

    The columns are the gates of attention and of the feed-forward layer.
    """
    trained, _ = load_evaluated(str(run))
    return {"before": _opened(build_model(read_config(find(str(run))))), "after": _opened(trained)}


@torch.no_grad()
def _opened(model: Flamingo) -> np.ndarray:
    both = [[block.attention_gate, block.ffw_gate] for block in model.gated]
    return np.array([[float(gate.tanh().abs()) for gate in row] for row in both])
