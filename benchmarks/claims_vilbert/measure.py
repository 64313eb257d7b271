"""Figures of trained models on the exam, a value per scene.

Shapes: E scenes of the exam, each with one caption, R regions, T tokens.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.claims_vilbert.plan import Task
from corpusloom.trainers.evaluation.batches import EvaluationSettings, measure_batches, read_all
from corpusloom.trainers.evaluation.samples import dataset_source
from corpusloom.trainers.stream.samples.typed import TypedSample
from corpusloom.trainers.vilbert.downstream.annotations import READERS, of_split
from corpusloom.trainers.vilbert.downstream.join import join
from corpusloom.trainers.vilbert.downstream.measure import TaskTools
from corpusloom.trainers.vilbert.downstream.objective import predict
from corpusloom.trainers.vilbert.downstream.tasks.vcr import ANSWER, BOTH, RATIONALE
from corpusloom.trainers.vilbert.downstream.transform import TaskTransform
from corpusloom.trainers.vilbert.data import region_inputs
from corpusloom.trainers.vilbert.downstream.texts import text_inputs
from corpusloom.trainers.vilbert.model.pretraining import ViLBERT
from corpusloom.trainers.vilbert.task import load_evaluated

KS = (1, 5, 10)
FIGURES = {"vqa": ("vqa",), "vcr": (f"vcr, {ANSWER}", f"vcr, {RATIONALE}", f"vcr, {BOTH}"), "refcoco": ("refcoco",)}
"""Task -> its figures."""
Values = Mapping[str, np.ndarray]
"""Figure -> (E,)."""
