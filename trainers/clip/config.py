"""Configuration of CLIP and of SigLIP: shape of both towers, conversion of pairs to batches."""

import math
from dataclasses import dataclass, field

from corpusloom.schemas import config as tables
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.training.config import RunConfig

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
"""Mean and standard deviation of RGB in 0..1, over CLIP's own training images."""
ACTIVATIONS = ("quick_gelu", "gelu", "gelu_tanh")
_LARGEST = {
    "margin": math.inf,
    "shift": 1.0,
    "zoom": math.inf,
    "rotation": 180.0,
    "brightness": 1.0,
    "contrast": 1.0,
    "saturation": 1.0,
    "greyscale": 1.0,
}
"""Augmentation -> largest value that has a meaning; all are 0 or more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageTowerConfig:
    """A vision transformer (one number of layers) or a ModifiedResNet (blocks per stage)."""

    size: int = 224
    """Side of the square input, in pixels."""
    layers: int | tuple[int, ...] = 12
    """Blocks of a vision transformer; or, as a list, bottleneck blocks of each stage of a ResNet."""
    width: int = 768
    """Width of the transformer's tokens, or of the ResNet's stem."""
    heads: int = 12
    """Heads of the transformer's attention, or of the ResNet's attention pooling."""
    patch: int = 32
    """Side of a transformer's patch, in pixels; unused by a ResNet. With `pool` = map it need not divide `size`: pixels
    left over at the right and the bottom are not seen, as in SigLIP SO400M/14 at 384 pixels."""
    mlp: int | None = None
    """Hidden width of a transformer's MLPs; None: 4 * width."""
    pool: str = "class"
    """A transformer's feature: class (state of a class token, projected) or map (attention pooling, as in SigLIP)."""
    mean: tuple[float, float, float] = MEAN
    """Mean of RGB in 0..1 that is subtracted from pixels; SigLIP has 0.5."""
    std: tuple[float, float, float] = STD
    """Standard deviation of RGB that pixels are divided by; SigLIP has 0.5."""
    resize: str = "crop"
    """Conversion of an image to a square: crop (its central or a random square) or squash (all of it, as in SigLIP)."""
    patch_dropout: float = 0.0
    """Share of patches dropped in training (FLIP, arXiv 2212.00794)."""
    init: str | None = None
    """Source of the tower's weights, which also gives its shape: a model folder, or a run of CLIP. Frozen by
    `train.groups` (LiT, arXiv 2111.07991), checkpoints name it instead of holding its weights."""

    def __post_init__(self) -> None:
        if isinstance(self.layers, int) and self.size % self.patch and self.pool != "map":
            raise ConfigError(f"size {self.size} is not a multiple of the patch {self.patch}", where="model.image")
        if self.resize not in ("crop", "squash"):
            raise ConfigError(f"resize is {self.resize!r}", where="model.image", remedy="use crop or squash")
        if self.pool not in ("class", "map"):
            raise ConfigError(f"pool is {self.pool!r}", where="model.image", remedy="use class or map")
        if self.pool == "map" and self.is_resnet:
            raise ConfigError("a ResNet with pool = map", where="model.image", remedy="give layers as one number")
        if min(self.std) <= 0:
            raise ConfigError(f"std is {list(self.std)}", where="model.image", remedy="use numbers above 0")
        if not 0 <= self.patch_dropout < 1:
            raise ConfigError(f"patch_dropout is {self.patch_dropout}", where="model.image", remedy="use 0 to below 1")

    @property
    def is_resnet(self) -> bool:
        """Whether the tower is a ModifiedResNet."""
        return not isinstance(self.layers, int)

    @property
    def squashes(self) -> bool:
        """Whether images lose their proportions instead of their edges."""
        return self.resize == "squash"


@dataclass(frozen=True, kw_only=True, slots=True)
class TextTowerConfig:
    """A transformer; its state at one token is the text's feature (section 2.4)."""

    vocab_size: int = 49_408
    """Number of token ids, the two special ones included."""
    context: int = 77
    """Tokens per text, the two special ones included; longer texts are cut."""
    layers: int = 12
    """Transformer blocks."""
    width: int = 512
    """Width of the tokens."""
    heads: int = 8
    """Heads of the attention."""
    mlp: int | None = None
    """Hidden width of the MLPs; None: 4 * width."""
    pool: str = "end"
    """A text's feature: end (state at the end token) or last (at the last place, mostly padding, as in SigLIP)."""
    causal: bool = True
    """Whether a token attends to those before it alone; SigLIP's attend to all, padding included."""
    trim: bool | None = None
    """Whether a batch is cut after its longest text: same result under a causal mask, faster, shapes vary. None: on
    CPUs; a GPU would wait for the length."""
    init: str | None = None
    """Source of the tower's weights, shape and tokenizer: a model folder, or a run of CLIP; its projection stays fresh
    if the image tower's embeddings have another width."""

    def __post_init__(self) -> None:
        if self.pool not in ("end", "last"):
            raise ConfigError(f"pool is {self.pool!r}", where="model.text", remedy="use end or last")
        if self.trim and (self.pool == "last" or not self.causal):
            raise ConfigError("trim changes the feature of a text that attends to its padding", where="model.text")


@dataclass(frozen=True, kw_only=True, slots=True)
class CLIPConfig:
    """Shape of both towers, and the loss."""

    embed_dim: int = 512
    """Width of the embeddings of both towers."""
    activation: str = "quick_gelu"
    """Activation: quick_gelu (x * sigmoid(1.702 x), OpenAI's weights), gelu (most of open_clip's) or gelu_tanh
    (GELU's approximation by tanh, SigLIP's)."""
    norm_eps: float = 1e-5
    """Added to the variance in layer norms; SigLIP has 1e-6."""
    loss: str = "softmax"
    """Loss: softmax (CLIP) or sigmoid (SigLIP, arXiv 2303.15343)."""
    image: ImageTowerConfig = field(default_factory=ImageTowerConfig)
    text: TextTowerConfig = field(default_factory=TextTowerConfig)
    init: str | None = None
    """Source of initial weights, which also gives shape and tokenizer: a model folder in the layout of transformers or
    open_clip, or a run of CLIP."""

    def __post_init__(self) -> None:
        if self.loss not in ("softmax", "sigmoid"):
            raise ConfigError(f"loss is {self.loss!r}", where="model.loss", remedy="use softmax or sigmoid")
        if self.activation not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise ConfigError(f"activation is {self.activation!r}", where="model.activation", remedy=f"one of {known}")
        if self.image.pool == "map" and self.image.width != self.embed_dim:
            what = f"embed_dim is {self.embed_dim}, the attention pooling gives image.width, {self.image.width}"
            raise ConfigError(what, where="model", remedy="set both to the same")
        if self.init is not None and (self.image.init or self.text.init):
            remedy = "give one source, or one per tower"
            raise ConfigError("init is given for the model and for a tower", where="model", remedy=remedy)


@dataclass(frozen=True, kw_only=True, slots=True)
class CLIPDataConfig:
    """Conversion of pairs to batches, and number of chunks per batch in the objective."""

    tokenizer: str | None = None
    """Vocabulary (loom tokenizer): merges as in CLIP's file, or tokenizer.json; None: that of `init`, else learnt."""
    split: str | None = None
    """Split to train on; None: all samples."""
    min_clip_score: float | None = None
    """Least cosine of a pair, as `loom embed` computed it; None: all samples."""
    evaluate: str | None = None
    """Split on which retrieval is measured in evaluations; None: not measured."""
    zero_shot: dict[str, str] = field(default_factory=dict)
    """Name -> benchmark in CLIP_benchmark's layout, or folder of class folders, on which evaluations measure zero-shot
    classification: its figures are zero_shot.NAME.top1 and so on."""
    flip: bool = False
    """Whether half of the images are mirrored in training; the paper does not mirror."""
    margin: float = 0.0
    """Share by which images are resized beyond `size` before the random crop; 0 as in the paper. Objects are larger by
    this share in training than in evaluation."""
    shift: float = 0.0
    """Largest shift in each direction in training, as a share of the side; the edge is repeated."""
    zoom: float = 0.0
    """Largest change of size in training, as a share: by a factor from 1 / (1 + zoom) to 1 + zoom."""
    rotation: float = 0.0
    """Largest angle by which images are turned in training, in degrees."""
    brightness: float = 0.0
    """Largest change of brightness in training, as a share."""
    contrast: float = 0.0
    """Largest change of contrast in training, as a share."""
    saturation: float = 0.0
    """Largest change of saturation in training, as a share."""
    greyscale: float = 0.0
    """Share of the images that lose their colours in training."""
    word_dropout: float = 0.0
    """Share of a caption's words left out in training, drawn anew each time; 0 as in the paper."""
    cache_bytes: int = 0
    """Bytes of resized images that each loader process keeps in memory, for small data sets."""
    chunks: int = 1
    """Chunks per batch in which the exact gradient is computed, to save memory (GradCache, arXiv 2101.06983)."""

    def __post_init__(self) -> None:
        if self.chunks < 1:
            raise ConfigError(f"chunks is {self.chunks}", where="data", remedy="set it to 1 or more")
        for name, largest in _LARGEST.items():
            value = getattr(self, name)
            if not 0 <= value <= largest:
                remedy = "set it to 0 or more" if largest == math.inf else f"set it to 0 up to {largest:g}"
                raise ConfigError(f"{name} is {value}", where="data", remedy=remedy)
        if not 0 <= self.word_dropout < 1:
            raise ConfigError(f"word_dropout is {self.word_dropout}", where="data", remedy="use 0 to below 1")


def model_config(config: RunConfig) -> CLIPConfig:
    """Return the model configuration of a run; `quick_gelu`, the key of earlier versions, is read as an activation."""
    model = dict(config.model)
    if "quick_gelu" in model:
        model = {"activation": "quick_gelu" if model.pop("quick_gelu") else "gelu", **model}
    return tables.build(CLIPConfig, model, where=f"{config.name}: model")


def data_config(config: RunConfig) -> CLIPDataConfig:
    """Return the data configuration of a run."""
    return tables.build(CLIPDataConfig, config.data, where=f"{config.name}: data")


def tables_of(config: RunConfig) -> dict[str, object]:
    """Return the configuration's own tables by name."""
    return {"model": model_config(config), "data": data_config(config)}
