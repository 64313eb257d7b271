"""A recipe: the rules and settings of one corpus as one frozen tree, read from a TOML file."""

import dataclasses
import difflib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from corpusloom.pipelines.dedup.minhash import MinHashConfig
from corpusloom.pipelines.filters.text.text_filter import INTERLEAVED
from corpusloom.pipelines.net.config import SIGNALS
from corpusloom.pipelines.recipes import keys, versions
from corpusloom.pipelines.recipes.region_settings import RegionSettings
from corpusloom.pipelines.recipes.rules import CLIPS, PAIRS, TEXT_FILTERS, WEB, FilterSet
from corpusloom.schemas import config as configs
from corpusloom.schemas.config import setting, threshold
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.images.content_hash import hash_column

TEXT_SOURCES = ("alt_text", "caption", "title", "image_title", "surrounding", "page_title")
"""Texts of an image from which pairs can be made."""
KINDS = ("interleaved", "pairs", "regions", "clips")


@dataclass(frozen=True, kw_only=True, slots=True)
class Dedup:
    """Rules that drop duplicates over the whole corpus, and decontamination."""

    exact_url: bool = threshold(False, kinds=INTERLEAVED)
    """One page per canonical URL, the latest (OBELICS App. A.1.5)."""
    exact_text: str | None = threshold(kinds=INTERLEAVED)
    """One page per text: "strict" (NFC, white space collapsed) or "loose" (CCNet's form)."""
    minhash: MinHashConfig | None = threshold(kinds=INTERLEAVED)
    """One page per cluster of near-duplicate texts."""
    scope: str = setting("corpus", kinds=INTERLEAVED)
    """Scope of exact and near-duplicate texts: "corpus", or "crawl" (pages fetched in one month)."""
    max_domain_paragraph: int | None = threshold(kinds=INTERLEAVED)
    """Occurrences of a paragraph in one domain, at most; beyond it, all copies are dropped (OBELICS App. A.1: 2)."""
    exact_image_set: bool = threshold(False, kinds=INTERLEAVED)
    """One page per set of image URLs, the latest (OBELICS App. A.1)."""
    decontaminate: tuple[str, ...] = threshold((), kinds=WEB)
    """Evaluation sets whose items are removed from pages and pairs: JSONL lists of texts and hashes, tars, folders."""

    def __post_init__(self) -> None:
        if self.scope not in ("corpus", "crawl"):
            raise ConfigError(f"dedup.scope is {self.scope!r}", remedy="write corpus or crawl")
        if self.exact_text not in (None, "strict", "loose"):
            raise ConfigError(f"dedup.exact_text is {self.exact_text!r}", remedy="write strict or loose")


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidates:
    """The pairs that are made from a page's images."""

    texts: tuple[str, ...] = setting(("alt_text",), kinds=PAIRS)
    """Texts of an image, each of which makes a pair: alt_text, caption (of a figure), title, image_title (attribute
    data-image-title), surrounding (the nearest texts before and after it), page_title. Of equal texts the first
    counts."""
    need_text: bool = setting(True, kinds=PAIRS)
    """Reject images without a text; with false they are samples without one, as lists of URLs alone need."""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.texts) - set(TEXT_SOURCES))
        if unknown or not self.texts:
            what = f"candidates.texts names {unknown[0]!r}" if unknown else "candidates.texts names no text"
            raise ConfigError(what, remedy=f"known: {', '.join(TEXT_SOURCES)}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Clips:
    """How videos are cut into clips."""

    max_seconds: int = setting(30, kinds=CLIPS)
    """Seconds of a clip, at most: of the cues of subtitles as many as fit; without subtitles, of every clip."""
    fps: float = setting(1.0, kinds=CLIPS)
    """Frames per second of a clip."""
    subtitle_languages: tuple[str, ...] = setting(("en",), kinds=CLIPS)
    """Languages of subtitles, the best first, as in FILE.en.vtt; FILE.vtt comes before them. Any language with []."""

    def __post_init__(self) -> None:
        if self.max_seconds < 1 or not 0.01 <= self.fps <= 100:
            raise ConfigError(
                f"clips of {self.max_seconds} s at {self.fps} fps cannot be made",
                where="clips",
                remedy="set clips.max_seconds to 1 or more, and clips.fps to 0.01 to 100",
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Images:
    """Thresholds for the number of images per page, and settings for storing each image."""

    min_per_page: int | None = threshold(kinds=INTERLEAVED)
    """Images per page, at least."""
    max_per_page: int | None = threshold(kinds=INTERLEAVED)
    """Images per page, at most."""
    once_per_page: bool = threshold(False, kinds=INTERLEAVED)
    """Keep only the first occurrence of an image in a page."""
    drop_page_on_nsfw: bool = threshold(False, kinds=INTERLEAVED)
    """Drop the whole page if `filters.images.max_nsfw` rejects one of its images (OBELICS §3)."""
    format: str | None = setting(None, kinds=(*WEB, *CLIPS))
    """Format of all stored images: jpg, png or webp. Absent: as fetched, but jpg for resized images."""
    resize: int | None = setting(None, kinds=(*WEB, *CLIPS))
    """Pixels of the side that `resize_mode` names, after resizing. Absent: images keep their size."""
    resize_mode: str = setting("keep_ratio", kinds=(*WEB, *CLIPS))
    """img2dataset's modes: keep_ratio (shorter side), keep_ratio_largest, center_crop, border."""
    resize_only_if_bigger: bool = setting(False, kinds=(*WEB, *CLIPS))
    """Do not enlarge images that are smaller than `resize`."""
    quality: int = setting(95, kinds=(*WEB, *CLIPS))
    """Quality of a re-encoded JPEG or WebP, 1 to 100."""
    verify_hash: str | None = threshold(kinds=PAIRS)
    """Column of a list with a hash of each image, COLUMN or COLUMN:TYPE (md5, sha256, sha512); images with another hash
    are rejected."""
    face_boxes: str | None = threshold(kinds=PAIRS)
    """Column of a list with boxes of faces, which are blurred: [[left, top, right, bottom], ...], 0 to 1."""

    def __post_init__(self) -> None:
        if self.verify_hash is not None:
            hash_column(self.verify_hash)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of a list that are needed to check and blur images."""
        hashes = () if self.verify_hash is None else (hash_column(self.verify_hash).name,)
        return (*hashes, *((self.face_boxes,) if self.face_boxes else ()))


@dataclass(frozen=True, kw_only=True, slots=True)
class Honour:
    """Opt-outs, robots.txt groups and licences that are honoured. All opt-out signals are recorded in any case."""

    signals: tuple[str, ...] = setting(SIGNALS, kinds=WEB)
    """Opt-out signals for which a page or image is rejected: all by default, none with []."""
    agents: tuple[str, ...] = threshold((), kinds=WEB)
    """Other crawlers whose robots.txt groups are obeyed besides ours, e.g. CCBot."""
    licenses: tuple[str, ...] = threshold((), kinds=WEB)
    """Licences (SPDX identifiers, e.g. CC-BY-4.0); pages under other licences, and their pairs, are rejected."""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.signals) - set(SIGNALS))
        if unknown:
            raise ConfigError(f"honour.signals names {unknown[0]!r}", remedy=f"known: {', '.join(SIGNALS)}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """Held-out splits. The hash of a near-duplicate cluster's root chooses, so a cluster stays in one split, as do
    the clips of a video."""

    val: float = setting(0.0, kinds=(*WEB, *CLIPS))
    """Share of samples marked val."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.val <= 1.0:
            raise ConfigError(f"split.val is {self.val}", remedy="write a share from 0 to 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """One corpus: its kind, its rules and its settings."""

    name: str
    """Name of the recipe."""
    kind: str
    """Kind of dataset: interleaved, pairs, regions or clips."""
    description: str = ""
    """The corpus and its paper, in one line."""
    candidates: Candidates = field(default_factory=Candidates)
    """Texts of images that make pairs."""
    filters: FilterSet = field(default_factory=FilterSet)
    """Rules for texts and images."""
    dedup: Dedup = field(default_factory=Dedup)
    """Deduplication and decontamination."""
    clips: Clips = field(default_factory=Clips)
    """How videos are cut."""
    images: Images = field(default_factory=Images)
    """Number of images per page, and storage of each."""
    honour: Honour = field(default_factory=Honour)
    """Opt-outs, robots.txt and licences."""
    split: Split = field(default_factory=Split)
    """Held-out splits."""
    regions: RegionSettings = field(default_factory=RegionSettings)
    """Detector and boxes of a dataset of regions."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"kind is {self.kind!r}", where=self.name, remedy=f"one of {', '.join(KINDS)}")
        unknown = [name for name in self.filters.order if name not in TEXT_FILTERS]
        if unknown:
            raise ConfigError(
                f"filters.order names {unknown[0]!r}", where=self.name, remedy=f"known: {', '.join(TEXT_FILTERS)}"
            )
        misplaced = [key for key in keys.changed_keys(self) if key.kinds and self.kind not in key.kinds]
        if misplaced:
            raise ConfigError(
                f"{misplaced[0].path} is for {' and '.join(misplaced[0].kinds)}, and this recipe makes {self.kind}",
                where=self.name,
                remedy="leave it out",
            )


def recipe_names() -> tuple[str, ...]:
    """Return the names of the recipes that ship, sorted."""
    files = resources.files("corpusloom.pipelines.recipes.published").iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")))


def recipe_text(name: str) -> str:
    """Return the TOML text of a recipe that ships; an unknown name is a ConfigError that suggests the nearest."""
    names = recipe_names()
    if name not in names:
        near = difflib.get_close_matches(name.lower(), names, 1)
        remedy = f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}, or a path that ends in .toml"
        raise ConfigError(f"unknown recipe {name!r}", remedy=remedy)
    return resources.files("corpusloom.pipelines.recipes.published").joinpath(f"{name}.toml").read_text("utf-8")


def load_recipe(name_or_path: str, overrides: Sequence[str] = ()) -> Recipe:
    """Load a recipe by name, or from a path that ends in .toml, with `dotted.key=value` overrides.

    `key=off` turns a rule off. Inside `filters`, the table between may be left out where the last name is unique:
    `filters.min_side=200` is `filters.images.min_side=200`. Unknown and ambiguous keys are ConfigErrors.
    """
    if name_or_path.endswith(".toml"):
        values = configs.load_toml(name_or_path)
    else:
        values = tomllib.loads(recipe_text(name_or_path))
    values = versions.check_format(values, where=name_or_path)
    values = keys.override(Recipe, values, overrides)
    return configs.build(Recipe, values, where=name_or_path)


def config_json(recipe: Recipe) -> str:
    """Return a recipe as canonical JSON (keys sorted, no blanks), which is hashed and written to the manifest."""
    values = {"format": versions.FORMAT, **dataclasses.asdict(recipe)}
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def from_json(values: Mapping[str, Any], where: str) -> Recipe:
    """Return the recipe that `config_json` wrote, given the parsed JSON; one of an older format is a ConfigError."""
    if values.get("format") != versions.FORMAT:
        raise ConfigError(
            "holds a recipe of format 1, from an older corpusloom", where=where, remedy="build the dataset again"
        )
    return configs.build(Recipe, versions.check_format(_without_none(values), where=where), where=where)


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested tables without None values, since TOML has no null."""
    return {
        name: _without_none(value) if isinstance(value, Mapping) else value
        for name, value in values.items()
        if value is not None
    }
