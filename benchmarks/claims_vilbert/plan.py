"""Plan of the benchmark: its size, its scenes, the pre-trained models, and the tasks they are fine-tuned for."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.claims_common.runs import Run
from benchmarks.claims_vilbert import files
from benchmarks.claims_vilbert.datasets import write_dataset
from benchmarks.claims_vilbert.files import TRAIN, VAL, Splits
from benchmarks.claims_vilbert.questions import QUESTIONS, words
from benchmarks.claims_vilbert.world import CLASSES, FEATURES, Scene, make_scene

CONFIGS = Path(__file__).parents[2] / "trainers" / "configs" / "vilbert"
TINY = CONFIGS / "vilbert-tiny.toml"
FIRST_PRETRAINING, FIRST_TRAINING, FIRST_EXAM = 1_000_000, 2_000_000, 3_000_000
"""Numbers of the first scenes of the pre-training, of the fine-tuning and of the exam."""
SHAPE = (
    f"model.feature_width={FEATURES}",
    f"model.class_count={CLASSES}",
    "model.max_tokens=24",
    "model.hidden=96",
    "model.layers=3",
    "model.heads=4",
    "model.ffw=192",
    "model.v_hidden=96",
    "model.v_layers=2",
    "model.v_heads=4",
    "model.v_ffw=96",
    "model.co_hidden=96",
    "model.co_heads=4",
    "model.v_connections=[0, 1]",
    "model.t_connections=[1, 2]",
    "model.dropout=0.0",
    "model.init_std=0.06",
)
"""Shape of ViLBERT: vilbert-tiny's, for the scenes' regions."""
SINGLE = ("model.streams=1", "model.layers=5", "model.ffw=384")
"""Differences of the single stream: as many layers as a token of ViLBERT passes, and about as many parameters."""


RETRIEVAL = "retrieval"


@dataclass(frozen=True, slots=True)
class Size:
    """Size of the world and of the runs."""

    pretraining: int
    """Scenes with captions."""
    training: int
    """Scenes of the fine-tuning."""
    exam: int
    """Scenes on which models are tested."""
    steps: int
    """Steps of a pre-training."""
    task_steps: int
    """Steps of a fine-tuning."""


FULL, QUICK = Size(2400, 400, 150, 400, 240), Size(16, 16, 8, 4, 4)


@dataclass(frozen=True, slots=True)
class Pretrained:
    """A pre-trained model from which tasks begin."""

    name: str
    share: float = 1.0
    """Share of the scenes with captions; 0: random weights."""
    settings: tuple[str, ...] = ()


BASE = Pretrained("pre-trained")
RANDOM = Pretrained("random weights", 0.0)
SHARES = (RANDOM, Pretrained("25 % of the captions", 0.25), Pretrained("50 % of the captions", 0.5), BASE)
ONE_STREAM = Pretrained("one stream", settings=SINGLE)


@dataclass(frozen=True, slots=True)
class Task:
    """A task after the pre-training."""

    name: str
    """Name of the task and end of its configuration's."""
    write: Callable[[Path, Splits], list[str]]
    """Writes its annotations in their original format."""
    exam_split: str
    rows: int = 32
    """Annotations of a batch."""
    steps: float = 1.0
    """Steps in those of `Size`."""
    settings: tuple[str, ...] = ()


TASKS = {
    task.name: task
    for task in (
        Task("vqa", files.write_vqa, "minval", settings=("data.min_answers=1",)),
        Task("vcr", files.write_vcr, VAL, rows=16),
        # Few: after 120 steps random weights are as good as the pre-training (.82 and .83), after 48 they have .23.
        Task("refcoco", files.write_refcoco, VAL, steps=0.2),
        Task(RETRIEVAL, files.write_captions, VAL, rows=16),
    )
}


@dataclass(frozen=True, slots=True)
class World:
    """Scenes and the paths of what is written about them."""

    pretraining: Sequence[Scene]
    training: Sequence[Scene]
    exam: Sequence[Scene]
    shares: Mapping[float, str]
    """Share of the scenes with captions -> dataset of regions."""
    tasks: str
    """Dataset of regions of the fine-tuning and the exam."""
    exam_captions: str
    """Dataset of regions of the exam."""
    annotations: Mapping[str, Sequence[str]]
    """Task -> files of its annotations."""
    vocabulary: str


def write_world(size: Size, folder: Path) -> World:
    """Write the datasets and annotations that are missing."""
    pretraining, training, exam = (
        [make_scene(first + number) for number in range(count)]
        for first, count in (
            (FIRST_PRETRAINING, size.pretraining), (FIRST_TRAINING, size.training), (FIRST_EXAM, size.exam)
        )
    )  # fmt: skip
    named = folder / f"{size.pretraining}-{size.training}-{size.exam}"
    splits: Splits = {TRAIN: training, VAL: exam}
    parts = {given.share: pretraining[: round(given.share * size.pretraining)] for given in SHARES if given.share}
    return World(
        pretraining, training, exam,
        shares={share: write_dataset(part, named / f"captions-{len(part)}") for share, part in parts.items()},
        tasks=write_dataset([*training, *exam], named / "tasks"),
        exam_captions=write_dataset(exam, named / "exam"),
        annotations={name: task.write(named / name, splits) for name, task in TASKS.items()},
        vocabulary=files.write_words(named / "vocab.txt", words()),
    )  # fmt: skip


def pretraining_run(given: Pretrained, size: Size, world: World, seed: int) -> Run:
    """Return the pre-training of a model."""
    settings = (*_common(world, size.steps), *given.settings, "train.batch_size=48", "train.lr=2.5e-3")
    return Run(given.name, str(TINY), (world.shares[given.share],), settings, seed, (world.vocabulary,))


def task_run(task: Task, given: Pretrained, size: Size, world: World, init: Path | None, seed: int) -> Run:
    """Return the fine-tuning of a pre-trained model, of which `init` is the run, or of random weights."""
    annotations = world.annotations[task.name]
    settings = (
        *_common(world, round(task.steps * size.task_steps)),
        *given.settings,
        f"data.annotations={json.dumps(list(annotations))}",
        f"data.minval={QUESTIONS * size.exam}",
        *task.settings,
        "data.evaluate=off",
        "train.evaluate_every=off",
        f"train.batch_size={task.rows}",
        "train.lr=1e-3",
        "train.schedule=linear",
        "train.precision=fp32",
        *(() if init is None else (f"model.init='{init}'",)),
    )
    name = f"{task.name} after {given.name}"
    return Run(name, str(CONFIGS / f"vilbert-{task.name}.toml"), (world.tasks,), settings, seed, tuple(annotations))


def _common(world: World, steps: int) -> tuple[str, ...]:
    return (
        *SHAPE,
        f"model.vocab_size={len(Path(world.vocabulary).read_text().splitlines())}",
        f"data.vocabulary='{world.vocabulary}'",
        "data.tokens=20",
        "data.regions=8",
        f"train.steps={steps}",
        "train.warmup=0.1",
        "train.threads=1",
        "train.workers=0",
        "train.checkpoint_every=1000",
        "train.log_every=20",
    )
