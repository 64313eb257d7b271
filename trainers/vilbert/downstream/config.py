"""Configuration of the data of a downstream task: its annotations, how they are divided, tokens and regions."""

from dataclasses import dataclass

from corpusloom.schemas import config as tables
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.training.config import RunConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskDataConfig:
    """Annotations of a task, and their conversion to tensors."""

    annotations: tuple[str, ...] = ()
    """Files of the annotations as they are published (docs/training.md): for vqa questions and answers, for vcr
    train.jsonl and val.jsonl, for refcoco refs(...).p and instances.json, for retrieval dataset_flickr30k.json."""
    ground_truth: str | None = None
    """Dataset of regions whose boxes are the ground-truth boxes of the same images, for vcr and refcoco: they stand
    after the others, which are cut so that all fit. vcr has them in evaluations too, refcoco in training alone."""
    tokens: int = 20
    """Tokens per text, [CLS] and [SEP] included; longer texts are cut."""
    regions: int = 36
    """Regions per image, without IMG."""
    vocab_size: int = 30_522
    """Size of a vocabulary that is learnt; unused with `vocabulary` or `model.init`."""
    vocabulary: str | None = None
    """BERT's vocab.txt or tokenizer.json; None: that of `model.init`, else learnt from the annotations."""
    split: str | None = None
    """Split of the annotations to train on; None: all of them. vqa has train and minval, vcr train, val and
    test, refcoco and retrieval those of their files."""
    evaluate: str | None = None
    """Split that is measured in evaluations; None: no evaluation."""
    evaluate_limit: int | None = None
    """Largest number of annotations of an evaluation, of retrieval: of images with their captions; None: all."""
    neighbours: int = 100
    """Nearest images of each image, of whose captions retrieval draws hard ones."""
    minval: int = 3000
    """Questions in vqa's split minval, which train leaves out: those of the val files with the largest ids."""
    min_answers: int = 9
    """Questions of which an answer must be the most frequent one, to be in the answer vocabulary of vqa."""


def task_data_config(config: RunConfig) -> TaskDataConfig:
    """Return the data configuration of a run of a downstream task; ConfigError for keys of other tasks."""
    if "objective" in config.data:
        raise ConfigError(
            "data.objective is of the pre-training", where=config.name, remedy="give the configuration of a task"
        )
    task = config.model.get("task")
    if task in ("vqa", "retrieval") and config.data.get("ground_truth") is not None:
        raise ConfigError(f"{task} has no ground-truth boxes", where="data.ground_truth", remedy="leave it out")
    return tables.build(TaskDataConfig, config.data, where=f"{config.name}: data")


def need_annotations(data: TaskDataConfig) -> tuple[str, ...]:
    """Return the paths of the annotations; ConfigError if there are none."""
    if not data.annotations:
        raise ConfigError("no annotations", where="data.annotations", remedy='--set data.annotations=["FILE", "FILE"]')
    return data.annotations
