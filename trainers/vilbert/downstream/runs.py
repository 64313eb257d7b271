"""Runs of downstream tasks: the annotations of a dataset of regions as a stream, the task's objective and evaluation.

Annotations stay in their own files and in memory; the stream is the loader's own, over one item per annotation
(`AnnotatedRows`). So regions are stored once per image, whatever the number of questions about it (5.4 in VQA v2), no
command has to run before the training, and order, ranks and exact resume are those of every other run.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from tokenizers import Tokenizer
from torch import nn

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.evaluation.batches import Evaluation, EvaluationSettings, Figures
from corpusloom.trainers.training.batches import make_batches, open_stream
from corpusloom.trainers.training.config import RunConfig
from corpusloom.trainers.training.parallel import with_weights
from corpusloom.trainers.training.task import Evaluate, TrainingTask, learnt_note, overlap_note
from corpusloom.trainers.vilbert.config import REFCOCO, VCR, VQA, ViLBERTConfig, model_config
from corpusloom.trainers.vilbert.downstream.annotations import READERS, check_labelled, of_split
from corpusloom.trainers.vilbert.downstream.config import TaskDataConfig, need_annotations, task_data_config
from corpusloom.trainers.vilbert.downstream.formats.questions import Question, read_questions
from corpusloom.trainers.vilbert.downstream.ground_truth import open_ground_truth
from corpusloom.trainers.vilbert.downstream.join import JoinedAnnotations, join
from corpusloom.trainers.vilbert.downstream.measure import TaskTools, measure_annotations
from corpusloom.trainers.vilbert.downstream.objective import TaskObjective
from corpusloom.trainers.vilbert.downstream.task import DownstreamTask
from corpusloom.trainers.vilbert.downstream.tasks.answers import AnswerVocabulary, build_answers, read_answers
from corpusloom.trainers.vilbert.downstream.tasks.refcoco import RefCOCOTask
from corpusloom.trainers.vilbert.downstream.tasks.vcr import VCRTask
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


def with_answers(config: RunConfig) -> RunConfig:
    """Return the configuration with the size of the answer vocabulary, which the annotations of vqa set.

    A size that it has already stays, so that the annotations are not read again; `build_task` compares it with them.
    """
    if config.model.get("task") != VQA or "answers" in config.model or not config.data.get("annotations"):
        return config
    data = task_data_config(config)
    answers = _answers(read_questions(data.annotations, data), data)
    return replace(config, model={**config.model, "answers": len(answers)})


def _answers(questions: Sequence[Question], data: TaskDataConfig) -> AnswerVocabulary:
    """Return the answer vocabulary of all annotations, those of minval too, as in the public code."""
    return build_answers(questions, ", ".join(data.annotations), data.min_answers)


def make_task(shape: ViLBERTConfig, data: TaskDataConfig, answers: AnswerVocabulary | None = None) -> DownstreamTask:
    """Return the task of a model; without answers, those of vqa are numbers."""
    if shape.task == REFCOCO:
        return RefCOCOTask(data.regions)
    if shape.task == VCR:
        return VCRTask()
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
    annotations: Sequence[Any]
    """Annotations of all splits."""

    def join(self, split: str | None) -> JoinedAnnotations:
        """Return the annotations of a split with the places of their images."""
        return join(self.path, of_split(self.annotations, split, self.tools.data.annotations))


def build_task(config: RunConfig, datasets: Mapping[str, tuple[str, float]], begun: str | None = None) -> TrainingTask:
    """Return the run of a downstream task over one dataset of regions: name -> (path, its share, which is not used).

    Raises ConfigError for several datasets, InputError if the dataset has no image of the annotations.
    """
    shape, data = model_config(config), task_data_config(config)
    path = only_dataset(datasets, shape.task)
    source = source_of(config, begun)
    annotations = READERS[shape.task](need_annotations(data), data)
    chosen = of_split(annotations, data.split, data.annotations)
    check_labelled(chosen, data.annotations)
    answers = _answers(annotations, data) if shape.task == VQA else None
    if answers is not None and len(answers) != shape.answers:
        what = f"model.answers is {shape.answers:,}, and the annotations have {len(answers):,} frequent answers"
        raise ConfigError(what, where=config.name, remedy="leave model.answers out")
    tokenizer, learnt = make_tokenizer(source, data.vocabulary, data.vocab_size, partial(_texts, chosen))
    check_fits(tokenizer, data.tokens, shape, where=config.name)
    run = _Prepared(path, shape, TaskTools(tokenizer, data, make_task(shape, data, answers)), annotations)
    joined = run.join(data.split)
    ground_truth, lacking = open_ground_truth(data.ground_truth, joined)
    transform = TaskTransform(tokenizer, data, shape, run.tools.task, ground_truth)
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
            *lacking,
            *((learnt_note(tokenizer.get_vocab_size(), "data.vocabulary"),) if learnt else ()),
            *random_note(shape),
            *overlap_note(data.split, data.evaluate),
        ),
    )


def _texts(annotations: Iterable[Any]) -> Iterable[str]:
    """Return the texts from which a vocabulary is learnt."""
    return (text for item in annotations for text in texts_of(item.text))


def only_dataset(datasets: Mapping[str, tuple[str, float]], task: str) -> str:
    """Return the path of the only dataset; ConfigError if there are several."""
    if len(datasets) > 1:
        what = f"{len(datasets)} datasets, and the annotations of {task} are of one"
        raise ConfigError(what, where="--data", remedy="build the regions of all images into one dataset")
    ((path, _),) = datasets.values()
    return path


def random_note(shape: ViLBERTConfig) -> tuple[str, ...]:
    """Return the note of a run that begins with random weights, if it does."""
    return () if shape.init else ("all weights are random: model.init takes a run of the pre-training",)


def _evaluation(run: _Prepared, split: str) -> Evaluate:
    """Return the evaluation of a split, whose annotations are joined at once, so that an error comes early."""
    joined = run.join(split)

    def evaluate(model: nn.Module) -> Iterable[tuple[str, float]]:
        settings = EvaluationSettings(limit=run.tools.data.evaluate_limit)
        found = measure_annotations(model, run.shape, run.tools, run.path, joined, settings)
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
        trained = model.config.task
        if trained != name:
            remedy = f"give a run of loom train vilbert --task {name}"
            what = f"the checkpoint is of the task {trained}, not of {name}"
            raise ConfigError(what, where="--checkpoint", remedy=remedy)
        if not settings.annotations:
            raise ConfigError("no annotations", where="--annotations", remedy="--annotations FILE FILE")
        annotations = READERS[name](settings.annotations, tools.data)
        joined = join(data, of_split(annotations, settings.split, settings.annotations))
        boxes = settings.ground_truth or tools.data.ground_truth
        with_boxes = replace(tools, data=replace(tools.data, ground_truth=boxes))
        return measure_annotations(model, model.config, with_boxes, data, joined, settings)

    return evaluate


def evaluations() -> Mapping[str, Evaluation]:
    """Return the evaluations of the tasks by name."""
    return {name: evaluation_of(name) for name in READERS}
