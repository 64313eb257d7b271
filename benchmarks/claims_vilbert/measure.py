"""Figures of trained models on the exam: a value per scene, the mean over what is asked about it.

Shapes: E scenes of the exam, R regions with IMG first, T tokens.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.claims_common.figures import Values
from corpusloom.trainers.evaluation.batches import EvaluationSettings, measure_batches, read_all
from corpusloom.trainers.evaluation.figures import rank_of
from corpusloom.trainers.evaluation.samples import dataset_source
from corpusloom.trainers.stream.samples.typed import TypedSample
from corpusloom.trainers.vilbert.data import region_inputs
from corpusloom.trainers.vilbert.downstream.annotations import READERS, of_split
from corpusloom.trainers.vilbert.downstream.formats.problems import Problem
from corpusloom.trainers.vilbert.downstream.join import join
from corpusloom.trainers.vilbert.downstream.objective import predict
from corpusloom.trainers.vilbert.downstream.transform import TaskTransform
from corpusloom.trainers.vilbert.retrieval.scores import CaptionInputs, RegionInputs, score_pool
from corpusloom.trainers.vilbert.task import load_evaluated
from corpusloom.trainers.vilbert.tokenizer import encode, token_id

KS = (1, 5, 10)
CPU = torch.device("cpu")
SETTINGS = EvaluationSettings(workers=0)
ANSWERS, RATIONALES, BOTH = "Q->A", "QA->R", "Q->AR"
"""Problems of VCR, and both of them right."""


def task_values(run: Path, task: str, data: str, files: Sequence[str], split: str) -> Values:
    """Return the accuracy of a task model per scene: `accuracy`, or ANSWERS, RATIONALES and BOTH of vcr."""
    model, tools = load_evaluated(str(run))
    joined = join(data, of_split(READERS[task](files, tools.data), split, files))
    transform = TaskTransform(tools.tokenizer, tools.data, model.config, tools.task)

    def measure(rows: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Tensor]:
        batch = {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}
        return {"number": batch["number"], "right": tools.task.scores(predict(model.eval(), batch), batch)}

    with ExitStack() as closing:
        source = dataset_source([data], transform, closing, annotated=joined.rows)
        found = measure_batches(source, measure, SETTINGS, CPU).tensors
    right = dict(zip(found["number"].tolist(), found["right"].tolist(), strict=True))
    return per_scene(joined.annotations, right)


def per_scene(annotations: Sequence[Any], right: Mapping[int, float]) -> Values:
    """Return the means per image, in the order of the images' names, of annotations' scores by their numbers."""
    found = defaultdict[str, dict[str, list[float]]](lambda: defaultdict(list))
    for item in annotations:
        found[kind_of(item)][str(item.image)].append(right[item.number])
    means = {kind: np.array([np.mean(images[name]) for name in sorted(images)]) for kind, images in found.items()}
    return means | ({BOTH: means[ANSWERS] * means[RATIONALES]} if RATIONALES in means else {})


def kind_of(annotation: Any) -> str:
    """Return the figure in which an annotation counts."""
    if not isinstance(annotation, Problem):
        return "accuracy"
    return ANSWERS if annotation.given is None else RATIONALES


def retrieval_values(run: Path, data: str) -> Values:
    """Return R@k of the alignment head per caption of the exam: whether its image is among the first k."""
    model, tools = load_evaluated(str(run))

    def read(sample: TypedSample) -> tuple[Mapping[str, np.ndarray], np.ndarray]:
        return region_inputs(sample, tools.regions), encode(tools.tokenizer, sample.text, tools.tokens)

    with ExitStack() as closing:
        rows, _ = read_all(dataset_source([data], read, closing), SETTINGS)
    stacked = {name: torch.from_numpy(np.stack([row[name] for row, _ in rows])) for name in rows[0][0]}
    ids = torch.from_numpy(np.stack([tokens for _, tokens in rows]))
    captions = CaptionInputs(ids, ids != token_id(tools.tokenizer, "[PAD]"))
    regions = RegionInputs(stacked["features"], stacked["locations"], stacked["region_mask"])
    scores, _ = score_pool(model.eval(), captions, regions, SETTINGS, data)
    return hits_of(scores)


def hits_of(scores: Tensor) -> Values:
    """Return R@k per caption of a matrix of scores, (E, E), whose own images are on the diagonal."""
    ranks = rank_of(scores, torch.eye(len(scores), dtype=torch.bool))
    return {f"R@{k}": (ranks < k).double().numpy() for k in KS}
