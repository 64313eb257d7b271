"""Scores by a model: which model a recipe names for each, and the bounds on its scores."""

from dataclasses import dataclass

from corpusloom.schemas.config import setting, threshold
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.verdicts import Above, Rule, at_least

WEB = ("interleaved", "pairs")
"""Kinds of recipe whose input is web pages; regions are built from a dataset of pairs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipConfig:
    """The CLIP score: the cosine of the embeddings of an image and its text, from -1 to 1."""

    model: str | None = setting(None, kinds=WEB)
    """CLIP by path: a run or checkpoint of ours, or a folder in the layout of transformers or open_clip."""
    min_score: float | Above | None = threshold()
    """Score, at least (LAION-400M, arXiv 2111.02114 §2.1: 0.3; LAION-5B, arXiv 2210.08402 §3.1: 0.28 for English)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoresConfig:
    """Scores by models; each image, or image and text, is scored once per model, and the store keeps the scores."""

    clip: ClipConfig | None = threshold(kinds=WEB)
    """CLIP score of an image and its text."""

    @property
    def models(self) -> dict[str, str]:
        """Return the path of the model per score that the recipe asks for; ConfigError for a table without a model."""
        if self.clip is None:
            return {}
        if self.clip.model is None:
            remedy = "set filters.scores.clip.model to a CLIP's run or model folder"
            raise ConfigError("filters.scores.clip names no model", remedy=remedy)
        return {"clip": self.clip.model}

    def rules(self, name: str) -> tuple[Rule, ...]:
        """Return the rules on the score of one model."""
        assert self.clip is not None
        return (at_least(f"{name}_score", f"{name}_score", self.clip.min_score),)
