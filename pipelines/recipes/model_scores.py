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
    top_fraction: float | None = threshold(kinds=("pairs",))
    """Share of all scores that are kept, the best (DataComp, arXiv 2304.14108: 0.3); equal scores share a verdict."""
    assign_images: bool = threshold(False, kinds=("interleaved",))
    """Place each image of a page before its sentence, by an assignment of the largest similarity (MMC4 §3); without a
    model it stays where the page has it."""

    def __post_init__(self) -> None:
        if self.top_fraction is not None and not 0 < self.top_fraction <= 1:
            what = f"filters.scores.clip.top_fraction is {self.top_fraction}"
            raise ConfigError(what, remedy="write a share above 0, at most 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoresConfig:
    """Scores by models; each image, or image and text, is scored once per model, and the store keeps the scores."""

    clip: ClipConfig | None = threshold(kinds=WEB)
    """CLIP score of an image and its text."""

    @property
    def models(self) -> dict[str, str]:
        """Return the path of the model per score that the recipe asks for.

        A table without a model is a ConfigError, unless it asks for an assignment, which is then off.
        """
        clip = self.clip
        if clip is None or (clip.model is None and clip.assign_images):
            return {}
        if clip.model is None:
            remedy = "set filters.scores.clip.model to a CLIP's run or model folder"
            raise ConfigError("filters.scores.clip names no model", remedy=remedy)
        return {"clip": clip.model}

    @property
    def fractions(self) -> dict[str, float]:
        """Return the share of the best per score of which a recipe keeps one."""
        if self.clip is None or self.clip.top_fraction is None:
            return {}
        return {"clip": self.clip.top_fraction}

    def rules(self, name: str, least: float | None = None) -> tuple[Rule, ...]:
        """Return the rules on the score of one model; `least` is the threshold of its top fraction."""
        assert self.clip is not None
        score = f"{name}_score"
        rules = at_least(score, score, self.clip.min_score), at_least(f"{name}_top_fraction", score, least)
        return tuple(rule for rule in rules if rule.minimum is not None)
