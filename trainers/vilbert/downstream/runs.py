"""Runs of downstream tasks: the annotations of a dataset of regions as a stream, the task's objective and evaluation.

Annotations stay in their own files and in memory; the stream is the loader's own, over one item per annotation
(`AnnotatedRows`). So regions are stored once per image, whatever the number of questions about it (5.4 in VQA v2), no
command has to run before the training, and order, ranks and exact resume are those of every other run.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

from tokenizers import Tokenizer
from torch import nn

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.evaluation.batches import Evaluation, EvaluationSettings, Figures
from corpusloom.trainers.training.batches import make_batches, open_stream
from corpusloom.trainers.training.config import RunConfig
from corpusloom.trainers.training.parallel import with_weights
from corpusloom.trainers.training.task import Evaluate, TrainingTask, learnt_note, overlap_note
from corpusloom.trainers.vilbert.config import PRETRAIN, REFCOCO, VQA, ViLBERTConfig, model_config
from corpusloom.trainers.vilbert.downstream.config import TaskDataConfig, need_annotations, task_data_config
from corpusloom.trainers.vilbert.downstream.formats.expressions import read_expressions
from corpusloom.trainers.vilbert.downstream.formats.questions import read_questions
from corpusloom.trainers.vilbert.downstream.join import join
from corpusloom.trainers.vilbert.downstream.measure import TaskTools, measure_annotations
from corpusloom.trainers.vilbert.downstream.objective import TaskObjective
from corpusloom.trainers.vilbert.downstream.task import DownstreamTask
from corpusloom.trainers.vilbert.downstream.tasks.answers import AnswerVocabulary, build_answers, read_answers
from corpusloom.trainers.vilbert.downstream.tasks.refcoco import RefCOCOTask
from corpusloom.trainers.vilbert.downstream.tasks.vqa import VQATask
from corpusloom.trainers.vilbert.downstream.texts import texts_of
from corpusloom.trainers.vilbert.downstream.transform import TaskTransform, example_batch
from corpusloom.trainers.vilbert.initial import (
    TOKENIZER,
    build_model,
    check_fits,
    initial_model,
    make_tokenizer,
    source_of,
)

ANSWERS = "answers.json"
"""Name of the answer vocabulary in a checkpoint."""
ReadAnnotations = Callable[[Sequence[str], str | None, TaskDataConfig], list[Any]]
"""(files, split, data configuration) -> annotations."""
READERS: Mapping[str, ReadAnnotations] = {VQA: read_questions, REFCOCO: read_expressions}
"""Task -> reader of its annotations."""


def is_downstream(config: RunConfig) -> bool:
    """Return whether a run is of another task than the pre-training."""
    return config.model.get("task", PRETRAIN) != PRETRAIN


def with_answers(config: RunConfig) -> RunConfig:
    """Return the configuration with the size of the answer vocabulary, which the annotations of vqa set."""
    if config.model.get("task") != VQA or not config.data.get("annotations"):
        return config
    return replace(config, model={**config.model, "answers": len(_answers(task_data_config(config)))})


@lru_cache(1)
def _answers(data: TaskDataConfig) -> AnswerVocabulary:
    """Return the answer vocabulary of all annotations, those of minval too, as in the public code."""
    questions = read_questions(data.annotations, None, data)
    return build_answers(questions, ", ".join(data.annotations), data.min_answers)


def make_task(shape: ViLBERTConfig, data: TaskDataConfig, answers: AnswerVocabulary | None = None) -> DownstreamTask:
    """Return the task of a model; without answers, those of vqa are numbers."""
    if shape.task == REFCOCO:
        return RefCOCOTask(data.regions)
    return VQATask(answers or AnswerVocabulary(tuple(map(str, range(shape.answers)))))


def build_objective(config: RunConfig) -> TaskObjective:
    """Return the objective; it needs no annotations."""
    return TaskObjective(make_task(model_config(config), task_data_config(config)))


def example(config: RunConfig, rows: int) -> dict[str, Any]:
    """Return a batch of zeros as the stream gives it."""
    shape, data = model_config(config), task_data_config(config)
    return example_batch(shape, data, make_task(shape, data), rows)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Dataset, shape and tools of a run, for its training and its evaluation."""

    path: str
    shape: ViLBERTConfig
    tools: TaskTools

    def read(self, split: str | None) -> list[Any]:
        """Return the annotations of a split."""
        return READERS[self.shape.task](need_annotations(self.tools.data), split, self.tools.data)


def build_task(config: RunConfig, datasets: Mapping[str, tuple[str, float]], begun: str | None = None) -> TrainingTask:
    """Return the run of a downstream task over one dataset of regions: name -> (path, its share, which is not used).

    Raises ConfigError for several datasets, InputError if the dataset has no image of the annotations.
    """
    shape, data = model_config(config), task_data_config(config)
    if len(datasets) > 1:
        what = f"{len(datasets)} datasets, and the annotations of {shape.task} are of one"
        raise ConfigError(what, where="--data", remedy="build the regions of all images into one dataset")
    ((path, _),) = datasets.values()
    source = source_of(config, begun)
    answers = _answers(replace(data, annotations=need_annotations(data))) if shape.task == VQA else None
    texts = partial(_texts, shape, data)
    tokenizer, learnt = make_tokenizer(source, data.vocabulary, data.vocab_size, texts)
    check_fits(tokenizer, data.tokens, shape, where=config.name)
    run = _Prepared(path, shape, TaskTools(tokenizer, data, make_task(shape, data, answers)))
    joined = join(path, run.read(data.split))
    transform = TaskTransform(tokenizer, data, shape, run.tools.task)
    return TrainingTask(
        model=with_weights(partial(initial_model, config, source), partial(build_model, config)),
        skeleton=partial(build_model, config),
        objective=TaskObjective(run.tools.task),
        stream=make_batches(config, open_stream(config, path, annotated=joined.rows), transform),
        example=lambda: example(config, 1),
        evaluate=None if data.evaluate is None else _evaluation(run, data.evaluate),
        figures=(*run.tools.task.figure_names(), "skipped", "left_out"),
        attachments={
            TOKENIZER: tokenizer.to_str().encode(),
            **({} if answers is None else {ANSWERS: answers.to_json()}),
        },
        notes=(
            *joined.notes,
            *((learnt_note(tokenizer.get_vocab_size(), "data.vocabulary"),) if learnt else ()),
            *_random_note(shape),
            *overlap_note(data.split, data.evaluate),
        ),
    )


def _texts(shape: ViLBERTConfig, data: TaskDataConfig) -> Iterable[str]:
    """Return the texts from which a vocabulary is learnt: those of the split that is trained on."""
    found = READERS[shape.task](need_annotations(data), data.split, data)
    return (text for item in found for text in texts_of(item.text))


def _random_note(shape: ViLBERTConfig) -> tuple[str, ...]:
    return () if shape.init else ("all weights are random: model.init takes a run of the pre-training",)


def _evaluation(run: _Prepared, split: str) -> Evaluate:
    """Return the evaluation of a split, whose annotations are read and joined at once, so that an error comes early."""
    annotations = run.read(split)
    joined = join(run.path, annotations)

    def evaluate(model: nn.Module) -> Iterable[tuple[str, float]]:
        settings = EvaluationSettings(limit=run.tools.data.evaluate_limit)
        found = measure_annotations(model, run.shape, run.tools, run.path, annotations, settings, joined)
        return found.values.items()

    return evaluate


def load_tools(config: RunConfig, tokenizer: Tokenizer, read: Callable[[str], bytes]) -> TaskTools:
    """Return what evaluations of a checkpoint need; `read` returns an attachment's content by its name."""
    shape, data = model_config(config), task_data_config(config)
    answers = read_answers(read(ANSWERS)) if shape.task == VQA else None
    return TaskTools(tokenizer, data, make_task(shape, data, answers))


def evaluation_of(name: str) -> Evaluation:
    """Return the evaluation of a task, which takes `TaskTools` beside the model."""

    def evaluate(model: Any, tools: Any, data: str, settings: EvaluationSettings) -> Figures:
        own = model.config.task
        if own != name:
            remedy = f"give a run of loom train vilbert --task {name}"
            what = f"the checkpoint is of the task {own}, not of {name}"
            raise ConfigError(what, where="--checkpoint", remedy=remedy)
        if not settings.annotations:
            raise ConfigError("no annotations", where="--annotations", remedy="--annotations FILE FILE")
        annotations = READERS[name](settings.annotations, settings.split, tools.data)
        return measure_annotations(model, model.config, tools, data, annotations, settings)

    return evaluate


def evaluations() -> Mapping[str, Evaluation]:
    """Return the evaluations of the tasks by name."""
    return {name: evaluation_of(name) for name in READERS}
