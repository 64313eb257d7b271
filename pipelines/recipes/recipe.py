"""A recipe: every threshold of one corpus, as a frozen tree that a TOML file fills."""

import difflib
import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Literal

from pipelines.filters.captions import CaptionsConfig
from pipelines.filters.images import ImageRulesConfig
from pipelines.filters.language import LanguageConfig
from pipelines.filters.quality import QualityConfig
from pipelines.filters.repetition import RepetitionConfig
from pipelines.net.config import HonourConfig
from schemas import arrow, config
from schemas.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class FiltersConfig:
    """The filters; a table that a recipe leaves out does not run."""

    language: LanguageConfig | None = None
    quality: QualityConfig | None = None
    repetition: RepetitionConfig | None = None
    captions: CaptionsConfig | None = None
    min_images: float | None = None
    """Images a page must show before any is fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DedupConfig:
    """Which duplicates are dropped."""

    url: bool = True
    """One page a canonical URL: the latest."""
    text: bool = True
    """One page a text, white space aside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesConfig:
    """What a recipe wants of images, and of their number."""

    rules: ImageRulesConfig = field(default_factory=ImageRulesConfig)
    max_per_page: int | None = None
    max_url_occurrences: int | None = None
    """Pages that may show one image URL; beyond it the image is never fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsConfig:
    """Where a pair's text comes from."""

    text_sources: tuple[str, ...] = ("alt_text",)
    """alt_text, caption, title: each a text of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitConfig:
    """What is held out."""

    validation: float = 0.0
    """Share of the samples marked val."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One corpus: its kind and every threshold."""

    name: str
    kind: Literal["interleaved", "pairs", "regions"]
    source: str
    """The paper and section that the thresholds come from."""
    filters: FiltersConfig = field(default_factory=FiltersConfig)
    dedup: DedupConfig = field(default_factory=DedupConfig)
    images: ImagesConfig = field(default_factory=ImagesConfig)
    pairs: PairsConfig = field(default_factory=PairsConfig)
    honour: HonourConfig = field(default_factory=HonourConfig)
    split: SplitConfig = field(default_factory=SplitConfig)

    @property
    def unit(self) -> str:
        """Return the name of what the recipe makes of a web page: page or pair."""
        return "page" if self.kind == "interleaved" else "pair"


def names() -> list[str]:
    """Return the recipes that ship."""
    return sorted(item.name.removesuffix(".toml") for item in _folder().iterdir() if item.name.endswith(".toml"))


def _folder() -> Any:
    return resources.files("pipelines.recipes")


def load_recipe(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """Return a recipe by its name or path, with `key=value` overrides; what is unknown is an error with the nearest."""
    if name in names():
        values = tomllib.loads((_folder() / f"{name}.toml").read_text(encoding="utf-8"))
    elif name.endswith(".toml"):
        values = config.load_toml(name)
    else:
        near = difflib.get_close_matches(name, names(), 1)
        remedy = f"did you mean {near[0]}?" if near else f"known: {', '.join(names())}, or the path of a .toml"
        raise ConfigError(f"no recipe {name!r}", where="loom build", remedy=remedy)
    values = config.override(values, [_expand_shortcut(item) for item in overrides])
    return config.build(Recipe, values, where=f"recipe {name}")


def _expand_shortcut(assignment: str) -> str:
    """Turn filters.min_side, max_aspect ... into the image rule's own key."""
    key, equals, value = assignment.partition("=")
    folder, _, leaf = key.strip().partition(".")
    if folder == "filters" and leaf in ImageRulesConfig.__dataclass_fields__:
        return f"images.rules.{leaf}{equals}{value}"
    return assignment


def config_json(recipe: Recipe) -> str:
    """Return a recipe as canonical JSON: what the manifest keeps and hashes."""
    return json.dumps(arrow.to_plain(recipe), sort_keys=True, separators=(",", ":"))
