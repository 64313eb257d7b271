"""CLIP's shapes (arXiv 2103.00020, tables 19 and 20) and what its training asks of the data."""

from dataclasses import dataclass, field

from corpusloom.schemas.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageTowerConfig:
    """A vision transformer (one number of layers) or a ModifiedResNet (blocks a stage)."""

    size: int = 224
    """Side of the square input, in pixels."""
    layers: int | tuple[int, ...] = 12
    """An int: blocks of a vision transformer. Several: bottleneck blocks of each stage of a ResNet."""
    width: int = 768
    """Of the transformer's tokens, or of the ResNet's stem."""
    heads: int = 12
    """Of the transformer's attention, or of the ResNet's attention pooling."""
    patch: int = 32
    """Side of a transformer's patch, in pixels; a ResNet has none."""
    patch_dropout: float = 0.0
    """Share of patches left out while training (FLIP, arXiv 2212.00794)."""

    def __post_init__(self) -> None:
        if isinstance(self.layers, int) and self.size % self.patch:
            raise ConfigError(f"image size {self.size} is no multiple of the patch {self.patch}", where="model.image")
        if not 0 <= self.patch_dropout < 1:
            raise ConfigError(f"patch_dropout is {self.patch_dropout}", where="model.image", remedy="0 up to below 1")

    @property
    def is_resnet(self) -> bool:
        """Whether the tower is a ModifiedResNet."""
        return not isinstance(self.layers, int)


@dataclass(frozen=True, kw_only=True, slots=True)
class TextTowerConfig:
    """A causal transformer whose state at the end of the text is the text's feature (section 2.4)."""

    vocab_size: int = 49_408
    """Ids of the tokenizer, the two special ones included."""
    context: int = 77
    """Tokens a text, the two special ones included; longer texts are cut."""
    layers: int = 12
    """Transformer blocks."""
    width: int = 512
    """Of the tokens."""
    heads: int = 8
    """Of the attention."""
    trim: bool = False
    """Cut each batch behind its longest text: exact under a causal mask, faster on CPUs, shapes vary."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CLIPConfig:
    """Both towers and the loss."""

    embed_dim: int = 512
    """Width of the space that both towers project to."""
    quick_gelu: bool = True
    """x * sigmoid(1.702 x), as in OpenAI's weights; false: GELU, as in most of open_clip's."""
    loss: str = "softmax"
    """softmax (CLIP) or sigmoid (SigLIP, arXiv 2303.15343)."""
    image: ImageTowerConfig = field(default_factory=ImageTowerConfig)
    text: TextTowerConfig = field(default_factory=TextTowerConfig)
    init: str | None = None
    """Weights to begin from: safetensors of transformers' CLIPModel, or of open_clip."""

    def __post_init__(self) -> None:
        if self.loss not in ("softmax", "sigmoid"):
            raise ConfigError(f"loss {self.loss!r}", where="model.loss", remedy="softmax or sigmoid")


@dataclass(frozen=True, kw_only=True, slots=True)
class CLIPDataConfig:
    """From pairs to batches, and the objective's share of memory."""

    tokenizer: str | None = None
    """A vocabulary of merges as CLIP's own file, or one that `train_merges` wrote; none: learnt from the captions."""
    split: str | None = None
    """Train on the samples of one split only; none: on all."""
    evaluate: str | None = None
    """Measure retrieval among the samples of this split after training; none: do not."""
    flip: bool = False
    """Mirror half of the images while training (the paper does not)."""
    brightness: float = 0.0
    """Largest change of brightness while training, as a share."""
    margin: float = 0.0
    """The random square crop comes from an image resized to (1 + margin) times the size; 0 as in the paper."""
    cache_bytes: int = 0
    """Resized images that each loader process keeps in memory, in bytes: for data sets of few images."""
    chunks: int = 1
    """Forward and backward in this many pieces of the batch with the exact gradient (GradCache, arXiv 2101.06983)."""

    def __post_init__(self) -> None:
        if self.chunks < 1:
            raise ConfigError(f"chunks is {self.chunks}", where="data", remedy="1 or more")
        if self.margin < 0 or self.brightness < 0:
            raise ConfigError("margin and brightness are shares", where="data", remedy="0 or more")
