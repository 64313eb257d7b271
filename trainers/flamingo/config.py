"""Configuration of Flamingo: trained layers, frozen parts, conversion of pages and pairs to sequences."""

from dataclasses import dataclass, field
from typing import Any

from corpusloom.schemas import config as tables
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.training.config import RunConfig

TANH, UNGATED = GATES = ("tanh", "none")
RESAMPLER, MEAN = POOLS = ("resampler", "mean")


@dataclass(frozen=True, kw_only=True, slots=True)
class FlamingoConfig:
    """Shape of the trained layers. The defaults are those of the 3B model in Table 13."""

    init: str | None = None
    """Run of Flamingo from which training begins, to fine-tune it: weights, shapes and frozen parts are its own."""
    resampler_layers: int = 6
    """Layers of the Resampler."""
    latents: int = 64
    """Visual tokens per image or video (section 3.1.1)."""
    resampler_heads: int = 16
    """Attention heads of the Resampler."""
    resampler_head_width: int = 128
    """Width of the Resampler's heads: 128 in the paper's v1 (section C.1), 96 in its v2."""
    frames: int = 8
    """Number of time embeddings, as many as a training video has frames."""
    every: int = 1
    """Language blocks per gated block: one stands before the blocks 0, every, 2 * every and so on."""
    heads: int = 16
    """Attention heads of a gated block."""
    head_width: int = 128
    """Width of these heads."""
    visual_width: int | None = None
    """Width of the Resampler; None: that of the vision encoder."""
    gate_lr_factor: float = 1.0
    """Factor of the gates' learning rate; above 1 the gates of a small model open within a short run."""

    gate: str = "tanh"
    """Factors of a gated block's two outputs: tanh (of learned numbers that start at 0) or none (both 1; an ablation of
    the paper, Table 3)."""
    pool: str = "resampler"
    """Visual tokens of an image or video: resampler (`latents` of them) or mean (one: the mean of all its features,
    then a linear layer)."""

    def __post_init__(self) -> None:
        for key, known in (("gate", GATES), ("pool", POOLS)):
            if getattr(self, key) not in known:
                remedy = f"use {' or '.join(known)}"
                raise ConfigError(f"{key} is {getattr(self, key)!r}", where="model", remedy=remedy)
        if self.every < 1 or self.latents < 1 or self.frames < 1:
            raise ConfigError("every, latents or frames is below 1", where="model", remedy="set each to 1 or more")


BUNDLED = "bundled"
"""Name of the language model that ships with the package, trained on the bundled world's texts."""
DTYPES = ("fp32", "bf16", "int8")
ACCUMULATE, ROUND_ROBIN = MIXINGS = ("accumulate", "round_robin")


_PARTS = ("vision", "language")


@dataclass(frozen=True, kw_only=True, slots=True)
class VisionEncoderConfig:
    """The vision encoder: the image tower of a CLIP or SigLIP, frozen or trained."""

    checkpoint: str | None = None
    """Run or checkpoint of CLIP, or a folder of a CLIP or SigLIP in Hugging Face's or open_clip's layout; replaces
    `shape` and `config`."""
    shape: dict[str, Any] | None = None
    """Table of a SigLIP tower's config.json, or of a CLIP's model without `model_type`, for fresh weights: to count
    parameters, to test, to plan memory. That of a trained encoder is taken from `checkpoint`."""
    config: str | None = None
    """Name of a CLIP configuration whose image tower gets fresh weights, for the same uses."""
    freeze: bool = True
    """Whether the weights stay as they are. Trained ones are in the run's checkpoints, which then need `checkpoint` no
    more; `train.groups."vision.*"` has their settings, such as a factor of the learning rate."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FrozenLanguageConfig:
    """The frozen language model: any decoder-only model of the transformers library."""

    weights: str | None = None
    """Folder in Hugging Face's layout (config.json, safetensors, tokenizer), or `bundled`; replaces `shape`."""
    shape: dict[str, Any] | None = None
    """Table of a config.json, for fresh weights: to count parameters, to test, to plan memory."""
    dtype: str = "fp32"
    """Type of the frozen weights: fp32, bf16, or int8 (8 bits and one scale per row; the state cannot be sharded)."""

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            known = ", ".join(DTYPES)
            raise ConfigError(f"dtype is {self.dtype!r}", where="model.language", remedy=f"one of {known}")


def parts(config: RunConfig) -> tuple[FlamingoConfig, VisionEncoderConfig, FrozenLanguageConfig]:
    """Return the three configurations in a run's model table."""
    shape = {name: value for name, value in config.model.items() if name not in _PARTS}
    return (
        tables.build(FlamingoConfig, shape, where=config.name),
        tables.build(VisionEncoderConfig, config.model.get("vision", {}), where=config.name),
        tables.build(FrozenLanguageConfig, config.model.get("language", {}), where=config.name),
    )


def tables_of(config: RunConfig) -> dict[str, object]:
    """Return the configuration's own tables by name."""
    return dict(zip(("model", "model.vision", "model.language"), parts(config), strict=True)) | {
        "data": data_config(config)
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class FlamingoDataConfig:
    """Conversion of samples to sequences."""

    tokens: int = 256
    """Tokens per window of a page."""
    pair_tokens: int = 32
    """Tokens per pair or video clip."""
    evaluation_frames: int = 30
    """Frames per video clip in evaluations, spread over it (section 4.1.4); time embeddings are interpolated."""
    lambdas: dict[str, float] = field(default_factory=dict)
    """Name of a dataset -> factor of its loss (equation 2); 1 for those that are not named."""
    mixing: str = "accumulate"
    """Use of several datasets: accumulate (gradients of one batch per dataset, then one update; section 2.4) or
    round_robin (one dataset per step, in turn; the paper's ablation, Table 3)."""
    tag_loss: bool = True
    """Whether the pieces of an <image> tag count in the loss. The paper's tag is plain text, and equation 2 sums over
    all tokens of the text; open_flamingo leaves its tags out."""
    per_token: bool = True
    """Whether a dataset's loss is divided by its tokens; else by its sequences, as in equation 2."""
    images: int = 5
    """Images per window; later ones are dropped."""
    size: int | None = None
    """Side of the padded, square images, in pixels; None: that of the vision encoder. Positions of a vision transformer
    are interpolated to another size."""
    next_image: float = 0.5
    """Probability that a page's tokens see the next image instead of the previous one (A.3.2)."""
    fill: tuple[int, int, int] = (122, 116, 104)
    """Colour of the padding: the mean of CLIP's images."""
    flip: bool = True
    """Whether half of the images are mirrored in training."""
    brightness: float = 0.0
    """Largest change of brightness in training, as a share; all frames of a clip change alike."""
    contrast: float = 0.0
    """Largest change of contrast in training, as a share."""
    saturation: float = 0.0
    """Largest change of saturation in training, as a share."""
    greyscale: float = 0.0
    """Share of the images that lose their colours in training."""

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "saturation", "greyscale"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}", where="data", remedy="set it to 0 up to 1")
        if self.mixing not in MIXINGS:
            known = " or ".join(MIXINGS)
            raise ConfigError(f"mixing is {self.mixing!r}", where="data", remedy=f"use {known}")


def data_config(config: RunConfig) -> FlamingoDataConfig:
    """Return the data configuration of a run."""
    return tables.build(FlamingoDataConfig, config.data, where=config.name)
