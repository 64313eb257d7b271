"""ViLBERT with the head of a downstream task (arXiv 1908.02265, section 3.2).

Shapes: B batch, C choices, T tokens, R regions with IMG first.
"""

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from corpusloom.trainers.vilbert.config import REFCOCO, VCR, VQA, ViLBERTConfig
from corpusloom.trainers.vilbert.model.blocks import LAYER_NORM_EPS
from corpusloom.trainers.vilbert.model.streams import Streams

INPUTS = ("tokens", "token_mask", "features", "locations", "region_mask")
"""Names of the arrays of a batch that the model takes."""
SEGMENTS = "segments"
"""Name of a further one, of texts that have two segments."""


class AnswerHead(nn.Module):
    """Scores of all answers: two linear layers over h_IMG * h_CLS, with GELU and layer norm as in 12-in-1's code."""

    def __init__(self, config: ViLBERTConfig) -> None:
        super().__init__()
        inner = 2 * config.co_hidden
        self.layers = nn.Sequential(
            nn.Linear(config.co_hidden, inner),
            nn.GELU(),
            nn.LayerNorm(inner, eps=LAYER_NORM_EPS),
            nn.Linear(inner, config.answers),
        )

    def forward(self, pooled: Tensor, image: Tensor) -> Tensor:
        """Return logits, (B, co_hidden), (B, R, v_hidden) -> (B, answers)."""
        scores: Tensor = self.layers(pooled)
        return scores


class RegionHead(nn.Module):
    """A score of each region: one linear layer over its h_v."""

    def __init__(self, config: ViLBERTConfig) -> None:
        super().__init__()
        self.dropout = nn.Dropout(config.dropout)
        self.score = nn.Linear(config.v_hidden, 1)

    def forward(self, pooled: Tensor, image: Tensor) -> Tensor:
        """Return logits without that of IMG, (B, co_hidden), (B, R, v_hidden) -> (B, R - 1)."""
        scores: Tensor = self.score(self.dropout(image[:, 1:]))[:, :, 0]
        return scores


class ChoiceHead(nn.Module):
    """A score of each choice: one linear layer over h_IMG * h_CLS."""

    def __init__(self, config: ViLBERTConfig) -> None:
        super().__init__()
        self.score = nn.Linear(config.co_hidden, 1)

    def forward(self, pooled: Tensor, image: Tensor) -> Tensor:
        """Return a logit per choice, (B * C, co_hidden), (B * C, R, v_hidden) -> (B * C,)."""
        scores: Tensor = self.score(pooled)[:, 0]
        return scores


HEADS: Mapping[str, Callable[[ViLBERTConfig], nn.Module]] = {VQA: AnswerHead, VCR: ChoiceHead, REFCOCO: RegionHead}
"""Task -> its head."""


class TaskModel(Streams):
    """Both streams, and the head of the configuration's task."""

    def __init__(self, config: ViLBERTConfig) -> None:
        super().__init__(config)
        self.head = HEADS[config.task](config)
        self.initialise()

    def part_of(self, name: str) -> str:
        """Return the part of the model in which a parameter is counted."""
        return "head" if name.startswith("head.") else "streams"

    def forward(
        self,
        tokens: Tensor,
        token_mask: Tensor,
        features: Tensor,
        locations: Tensor,
        region_mask: Tensor,
        segments: Tensor | None = None,
    ) -> Tensor:
        """Return the head's logits: (B, T) int, (B, T) bool, (B, R, F), (B, R, 5), (B, R) bool, (B, T) int or None.

        Tokens, their mask and segments may be of C texts per image, (B, C, T); then the logits are (B, C, ...). An
        image is encoded once up to the first connection, and repeated for its texts from there on.
        """
        image = self.encode_image(features, locations, region_mask)
        several = tokens.dim() == 3
        if several:
            count = tokens.shape[1]
            image, region_mask = (value.repeat_interleave(count, 0) for value in (image, region_mask))
            tokens, token_mask = tokens.flatten(0, 1), token_mask.flatten(0, 1)
            segments = None if segments is None else segments.flatten(0, 1)
        text = self.encode_text(tokens, token_mask, segments)
        text, image = self.connect(text, token_mask, image, region_mask)
        logits: Tensor = self.head(self.pool(text, image), image)
        return logits.unflatten(0, (-1, count)) if several else logits
