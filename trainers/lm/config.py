"""Configuration of a language model: its shape or the folder it begins from, and the texts it is trained on."""

from dataclasses import dataclass
from typing import Any

from corpusloom.schemas import config as tables
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.training.config import RunConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class LanguageModelConfig:
    """A causal language model of the transformers library."""

    init: str | None = None
    """Folder in Hugging Face's layout from which weights, shape and tokenizer come; None: random weights of `shape`."""
    shape: dict[str, Any] | None = None
    """Table of a config.json: `model_type` and that type's keys; None: that of `init`."""

    def __post_init__(self) -> None:
        if self.init is None and self.shape is None:
            remedy = "give model.init, a folder, or model.shape, a table"
            raise ConfigError("no language model", where="model", remedy=remedy)


@dataclass(frozen=True, kw_only=True, slots=True)
class TextDataConfig:
    """Conversion of texts to sequences of equal length."""

    tokens: int = 256
    """Tokens per sequence; texts follow each other, each between the begin and the end token."""
    tokenizer: str | None = None
    """Folder of a tokenizer in Hugging Face's layout; None: that of `model.init`, or one learnt from the texts."""
    evaluate: str | None = None
    """File of texts on which the likelihood is measured; None: not measured."""

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise ConfigError(f"tokens is {self.tokens}", where="data", remedy="set it to 1 or more")


def model_config(config: RunConfig) -> LanguageModelConfig:
    """Return the model configuration of a run."""
    return tables.build(LanguageModelConfig, config.model, where=f"{config.name}: model")


def data_config(config: RunConfig) -> TextDataConfig:
    """Return the data configuration of a run."""
    return tables.build(TextDataConfig, config.data, where=f"{config.name}: data")


def tables_of(config: RunConfig) -> dict[str, object]:
    """Return the configuration's own tables by name."""
    return {"model": model_config(config), "data": data_config(config)}
