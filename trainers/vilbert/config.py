"""Configuration of ViLBERT: shape of the model, conversion of captions and regions, weights of the losses."""

from dataclasses import dataclass

from corpusloom.schemas import config as tables
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.training.config import RunConfig
from corpusloom.trainers.vilbert.downstream.config import task_data_config

PRETRAIN, VQA, VCR, REFCOCO, RETRIEVAL = TASKS = ("pretrain", "vqa", "vcr", "refcoco", "retrieval")
ALIGNED = (PRETRAIN, RETRIEVAL)
"""Tasks of the pre-training model, which has the alignment head."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ViLBERTConfig:
    """Shape of the model; the defaults are the published ones (BERT-base beside a visual stream of six layers)."""

    streams: int = 2
    """2: ViLBERT. 1: the single-stream baseline of section 4, a BERT of the text stream's shape over the sequence of
    tokens and regions. It has one width, hidden, which v_hidden and co_hidden must equal; v_layers, v_heads, v_ffw,
    co_heads and the connections are unused."""
    vocab_size: int = 30_522
    """Number of token ids."""
    max_tokens: int = 512
    """Positions of the text stream."""
    hidden: int = 768
    """Width of the text stream."""
    layers: int = 12
    """Layers of the text stream."""
    heads: int = 12
    """Attention heads of the text stream."""
    ffw: int = 3072
    """Inner width of the text stream's feed-forward blocks."""
    feature_width: int = 2048
    """Width of a region's feature, as in the dataset."""
    class_count: int = 1601
    """Region classes, background included, as in the dataset."""
    v_hidden: int = 1024
    """Width of the visual stream."""
    v_layers: int = 6
    """Layers of the visual stream."""
    v_heads: int = 8
    """Attention heads of the visual stream."""
    v_ffw: int = 1024
    """Inner width of the visual stream's feed-forward blocks."""
    co_hidden: int = 1024
    """Width of queries, keys and values in a connection, and of the pooled outputs."""
    co_heads: int = 8
    """Attention heads of a connection."""
    v_connections: tuple[int, ...] = (0, 1, 2, 3, 4, 5)
    """Visual layer before which each connection stands."""
    t_connections: tuple[int, ...] = (6, 7, 8, 9, 10, 11)
    """Text layer before which each connection stands."""
    dropout: float = 0.1
    """Dropout of attention, layers and pooled outputs."""
    init_std: float = 0.02
    """Standard deviation of initial weights: BERT's. A narrow model needs a larger one to start learning soon."""
    init: str | None = None
    """Initial weights, which also give shape and vocabulary: a run or checkpoint of a ViLBERT, a folder of one in the
    published layout, or a folder of a BERT of transformers for the text stream; None: random weights."""
    init_lr_factor: float = 1.0
    """Factor of the learning rate of the weights from `init`; 0.1 in the public code."""
    task: str = PRETRAIN
    """Task, which says which heads the model has: pretrain, vqa, vcr, refcoco or retrieval."""
    answers: int = 3129
    """Size of the answer vocabulary of vqa; set by the annotations."""

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ConfigError(f"task is {self.task!r}", where="model", remedy=f"one of {', '.join(TASKS)}")
        if self.streams not in (1, 2):
            raise ConfigError(f"streams is {self.streams}", where="model", remedy="give 1 or 2")
        widths = [("hidden", self.hidden, self.heads)]
        if self.streams == 1:
            self._check_one_width()
        else:
            self._check_connections()
            widths += [("v_hidden", self.v_hidden, self.v_heads), ("co_hidden", self.co_hidden, self.co_heads)]
        for name, width, heads in widths:
            if width % heads:
                raise ConfigError(f"{name} {width} is not a multiple of its {heads} heads", where="model")

    def _check_one_width(self) -> None:
        """Raise ConfigError unless regions and pooled outputs have the width of the single stream."""
        for name, width in (("v_hidden", self.v_hidden), ("co_hidden", self.co_hidden)):
            if width != self.hidden:
                what = f"{name} is {width} and hidden {self.hidden}, but a single stream has one width"
                raise ConfigError(what, where="model", remedy=f"set model.{name}={self.hidden}")

    def _check_connections(self) -> None:
        """Raise ConfigError unless each connection stands before a layer, or after the last, of both streams."""
        if len(self.v_connections) != len(self.t_connections):
            raise ConfigError("v_connections and t_connections differ in length", where="model")
        for name, ids, layers in (
            ("t_connections", self.t_connections, self.layers),
            ("v_connections", self.v_connections, self.v_layers),
        ):
            if list(ids) != sorted(ids) or any(not 0 <= number <= layers for number in ids):
                raise ConfigError(f"{name} is {list(ids)}", where="model", remedy=f"use rising ids from 0 to {layers}")


@dataclass(frozen=True, kw_only=True, slots=True)
class ViLBERTDataConfig:
    """Conversion of captions and regions to tensors."""

    tokens: int = 36
    """Tokens per caption, [CLS] and [SEP] included; longer captions are cut."""
    regions: int = 36
    """Regions per image, without IMG."""
    mask: float = 0.15
    """Share of words, and of regions, that are masked independently of each other."""
    leak_iou: float | None = None
    """IoU with a zeroed region above which a region is zeroed as well (12-in-1: 0.4); None: no such rule."""
    vocab_size: int = 30_522
    """Size of a vocabulary that is learnt; unused with `vocabulary` or `init`."""
    vocabulary: str | None = None
    """BERT's vocab.txt or tokenizer.json (loom tokenizer); None: that of `init`, else learnt from the captions."""
    split: str | None = None
    """Split to train on; None: all samples."""
    evaluate: str | None = None
    """Split whose captions rank its images in evaluations; None: no evaluation."""
    evaluate_limit: int = 100
    """Largest number of samples of an evaluation; each caption is scored with each image."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveConfig:
    """Weights of the terms, and the pairs on which they are computed."""

    negatives: float = 0.5
    """Share of the pairs that get the caption of another image; with `softmax_negatives` the share of their weight."""
    softmax_negatives: int = 0
    """Captions of other images of the step with which each image is joined beside its own; a softmax over their scores
    is a further loss, and no pair gets another caption instead of its own. 0: the paper's objective."""
    masked_on_negatives: bool = False
    """Whether masked words and regions count on mismatched pairs too (first public code: yes, 12-in-1: no)."""
    word_weight: float = 1.0
    """Weight of the masked words' loss."""
    region_weight: float = 1.0
    """Weight of the masked regions' loss."""
    alignment_weight: float = 1.0
    """Weight of the alignment loss, a two-way logistic."""
    softmax_weight: float = 1.0
    """Weight of the softmax over the captions of an image; unused without `softmax_negatives`."""

    def __post_init__(self) -> None:
        if not 0 <= self.negatives <= 1:
            raise ConfigError(f"negatives is {self.negatives}", where="data.objective", remedy="give a share, 0 to 1")
        if self.softmax_negatives < 0:
            raise ConfigError(
                f"softmax_negatives is {self.softmax_negatives}", where="data.objective", remedy="give 0 or more"
            )


def model_config(config: RunConfig) -> ViLBERTConfig:
    """Return the model configuration of a run."""
    return tables.build(ViLBERTConfig, config.model, where=f"{config.name}: model")


def data_config(config: RunConfig) -> ViLBERTDataConfig:
    """Return the data configuration of a run."""
    values = {name: value for name, value in config.data.items() if name != "objective"}
    return tables.build(ViLBERTDataConfig, values, where=f"{config.name}: data")


def objective_config(config: RunConfig) -> ObjectiveConfig:
    """Return the configuration of a run's losses."""
    return tables.build(ObjectiveConfig, config.data.get("objective", {}), where=f"{config.name}: data.objective")


def tables_of(config: RunConfig) -> dict[str, object]:
    """Return the configuration's own tables by name; they are other ones in a downstream task."""
    model = model_config(config)
    if model.task != PRETRAIN:
        return {"model": model, "data": task_data_config(config)}
    return {"model": model, "data": data_config(config), "data.objective": objective_config(config)}
