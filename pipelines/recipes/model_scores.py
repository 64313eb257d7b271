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
        check_fraction("clip", self.top_fraction)


@dataclass(frozen=True, kw_only=True, slots=True)
class AestheticConfig:
    """The score of an image by a head over its CLIP embedding, such as LAION's aesthetic predictors (about 1 to 10)."""

    model: str | None = setting(None, kinds=WEB)
    """CLIP by path, that of the head: ViT-L/14 for LAION's."""
    head: str | None = setting(None, kinds=WEB)
    """Linear layers by path, .pth or .safetensors: LAION's aesthetic predictors V1 and V2."""
    min_score: float | Above | None = threshold()
    """Score, at least (LAION-Aesthetics V2: 5, its README)."""
    top_fraction: float | None = threshold()
    """Share of all images of selected records that are kept, the best; equal scores share a verdict (ours)."""

    def __post_init__(self) -> None:
        check_fraction("aesthetic", self.top_fraction)


def check_fraction(name: str, fraction: float | None) -> None:
    """Raise ConfigError for a share that is not above 0 and at most 1."""
    if fraction is not None and not 0 < fraction <= 1:
        what = f"filters.scores.{name}.top_fraction is {fraction}"
        raise ConfigError(what, remedy="write a share above 0, at most 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoresConfig:
    """Scores by models; each image, or image and text, is scored once per model, and the store keeps the scores."""

    clip: ClipConfig | None = threshold(kinds=WEB)
    """CLIP score of an image and its text."""
    aesthetic: AestheticConfig | None = threshold(kinds=WEB)
    """Score of an image by a head over its CLIP embedding."""

    @property
    def _tables(self) -> dict[str, ClipConfig | AestheticConfig]:
        """Return the tables that the recipe has, by the name of their score."""
        tables = {"clip": self.clip, "aesthetic": self.aesthetic}
        return {name: table for name, table in tables.items() if table is not None}

    @property
    def models(self) -> dict[str, str]:
        """Return the path of the CLIP per score that the recipe asks for.

        A table without a model is a ConfigError, unless it asks for an assignment, which is then off. So is one without
        the head that its score needs.
        """
        found = {}
        for name, table in self._tables.items():
            if isinstance(table, ClipConfig) and table.model is None and table.assign_images:
                continue
            if table.model is None:
                remedy = f"set filters.scores.{name}.model to a CLIP's run or model folder"
                raise ConfigError(f"filters.scores.{name} names no model", remedy=remedy)
            found[name] = table.model
        for name, table in self._tables.items():
            if isinstance(table, AestheticConfig) and table.head is None:
                raise ConfigError(f"filters.scores.{name} names no head", remedy=f"set filters.scores.{name}.head")
        return found

    def head_of(self, name: str) -> str | None:
        """Return the path of the head of a score; None for one without a head, which is that of an image and a text."""
        table = self._tables[name]
        return table.head if isinstance(table, AestheticConfig) else None

    @property
    def fractions(self) -> dict[str, float]:
        """Return the share of the best per score of which a recipe keeps one."""
        shares = {name: table.top_fraction for name, table in self._tables.items()}
        return {name: share for name, share in shares.items() if share is not None}

    def rules(self, name: str, least: float | None = None) -> tuple[Rule, ...]:
        """Return the rules on the score of one model; `least` is the threshold of its top fraction."""
        score = f"{name}_score"
        bound = at_least(score, score, self._tables[name].min_score)
        rules = bound, at_least(f"{name}_top_fraction", score, least)
        return tuple(rule for rule in rules if rule.minimum is not None)
