"""A recipe: the thresholds of one corpus, read from a TOML file into one frozen tree."""

import dataclasses
import difflib
import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from corpusloom.pipelines.dedup.minhash import MinHashConfig
from corpusloom.pipelines.filters.align_captions import CaptionConfig
from corpusloom.pipelines.filters.boilerplate import BoilerplateConfig
from corpusloom.pipelines.filters.c4 import C4Config
from corpusloom.pipelines.filters.explicit import ExplicitConfig
from corpusloom.pipelines.filters.fineweb import FineWebConfig
from corpusloom.pipelines.filters.gopher_quality import QualityConfig
from corpusloom.pipelines.filters.gopher_repetition import RepetitionConfig
from corpusloom.pipelines.filters.image_rules import ImageConfig
from corpusloom.pipelines.filters.language import LanguageConfig
from corpusloom.pipelines.filters.obelics import ObelicsConfig
from corpusloom.pipelines.filters.pii import PiiConfig
from corpusloom.pipelines.net.config import SIGNALS
from corpusloom.schemas import config as configs
from corpusloom.schemas.errors import ConfigError

KINDS = ("interleaved", "pairs", "regions", "clips")
TEXT_FILTERS = ("language", "explicit", "repetition", "quality", "c4", "fineweb", "obelics")


@dataclass(frozen=True, kw_only=True, slots=True)
class WordListPaths:
    """Word lists by path or URL, a word a line; a rule whose list is absent is not measured."""

    bad_words: str | None = None
    """Explicit words: C4 lets no page hold one (arXiv 1910.10683 §2.2: the LDNOOBW list), `explicit` bounds them."""
    flagged_words: str | None = None
    """Words whose share OBELICS bounds (arXiv 2306.16527, Table 3)."""
    common_words: str | None = None
    """Words that most of a text must be among (arXiv 2306.16527, Table 3)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Filters:
    """The filters of a recipe; one that is absent from the recipe is off (its scores are measured all the same)."""

    order: tuple[str, ...] = TEXT_FILTERS
    """The text filters' order: the first rule that fails names the reason."""
    language: LanguageConfig | None = None
    """Wanted languages, by content."""
    explicit: ExplicitConfig | None = None
    """Explicit words of a list given by path."""
    boilerplate: BoilerplateConfig | None = None
    """Blocks that are no content, dropped before any text is measured."""
    quality: QualityConfig | None = None
    """Gopher's quality rules."""
    repetition: RepetitionConfig | None = None
    """Gopher's repetition rules."""
    c4: C4Config | None = None
    """C4's rules."""
    fineweb: FineWebConfig | None = None
    """FineWeb's own rules."""
    obelics: ObelicsConfig | None = None
    """OBELICS' paragraph and page rules."""
    lists: WordListPaths = field(default_factory=WordListPaths)
    """Word lists that some rules need."""
    pii: PiiConfig | None = None
    """Masks for personal data; absent = texts stay as they are."""
    captions: CaptionConfig | None = None
    """Rules for the text of a pair."""
    images: ImageConfig = field(default_factory=ImageConfig)
    """Rules for each image."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dedup:
    """What counts as a duplicate, over the whole corpus."""

    exact_url: bool = True
    """One page a canonical URL, the latest (OBELICS App. A.1.5)."""
    exact_text: str | None = "strict"
    """One page a text: "strict" (NFC, white space collapsed), "loose" (CCNet's form) or None."""
    minhash: MinHashConfig | None = None
    """Near-duplicate pages; absent = off."""
    scope: str = "corpus"
    """Where equal and near-duplicate texts are looked for: "corpus", or "crawl" (pages fetched in one month)."""
    max_domain_paragraph: int | None = None
    """Occurrences of a paragraph in one domain; one more and every copy goes (OBELICS App. A.1: 2)."""
    exact_image_set: bool = False
    """One page a set of image URLs, the latest (OBELICS App. A.1)."""
    decontaminate: tuple[str, ...] = ()
    """Evaluation sets that pages and pairs must not hold: JSONL lists of texts and hashes, tars or folders of them."""

    def __post_init__(self) -> None:
        if self.scope not in ("corpus", "crawl"):
            raise ConfigError(f"dedup.scope is {self.scope!r}", remedy="corpus or crawl")
        if self.exact_text not in (None, "strict", "loose"):
            raise ConfigError(f"dedup.exact_text is {self.exact_text!r}", remedy="strict, loose, or leave it out")


@dataclass(frozen=True, kw_only=True, slots=True)
class Images:
    """How many images a page may have, and how each is stored."""

    min_per_page: int = 1
    """A page left with fewer goes."""
    max_per_page: int | None = None
    """A page with more goes; None = no cap."""
    once_per_page: bool = True
    """An image that a page shows again is kept once."""
    format: str | None = None
    """Re-encode all to jpg, png or webp; None stores them as fetched (resized ones as jpg)."""
    resize: int | None = None
    """Pixels of the side that `resize_mode` looks at after resizing; None stores them as fetched."""
    resize_mode: str = "keep_ratio"
    """img2dataset's: keep_ratio (shorter side), keep_ratio_largest, center_crop, border."""
    resize_only_if_bigger: bool = False
    """Leave smaller images as large as they are."""
    quality: int = 95
    """Of a re-encoded JPEG or WebP."""
    drop_page_on_nsfw: bool = False
    """Whether one rejected by `nsfw` takes its page along (OBELICS §3)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Honour:
    """Which opt-out signals drop an item. All are recorded, whatever is set here."""

    signals: tuple[str, ...] = SIGNALS
    """Names of the signals that reserve rights."""
    agents: tuple[str, ...] = ()
    """Other crawlers' names whose robots.txt groups are obeyed as well, e.g. CCBot."""
    licenses: tuple[str, ...] = ()
    """SPDX identifiers: only items under one of these; () takes any."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """Held-out parts, by the hash of the near-duplicate root."""

    val: float = 0.0
    """Share of samples marked val."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.val <= 1.0:
            raise ConfigError(f"split.val is {self.val}", remedy="a share from 0 to 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """One corpus: what is built and every threshold of it."""

    name: str
    """The recipe's name."""
    kind: str
    """interleaved, pairs, regions or clips."""
    description: str = ""
    """One line: what corpus, after which paper."""
    filters: Filters = field(default_factory=Filters)
    """Rules for texts and images."""
    dedup: Dedup = field(default_factory=Dedup)
    """Rules over the whole corpus."""
    images: Images = field(default_factory=Images)
    """Images a page, and how they are stored."""
    honour: Honour = field(default_factory=Honour)
    """Opt-outs."""
    split: Split = field(default_factory=Split)
    """Held-out parts."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"kind is {self.kind!r}", where=self.name, remedy=f"one of {', '.join(KINDS)}")
        unknown = [name for name in self.filters.order if name not in TEXT_FILTERS]
        if unknown:
            raise ConfigError(
                f"filters.order names {unknown[0]!r}", where=self.name, remedy=f"known: {', '.join(TEXT_FILTERS)}"
            )


def recipe_names() -> tuple[str, ...]:
    """Return the names of the recipes that ship, sorted."""
    files = resources.files("corpusloom.pipelines.recipes").iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")))


def recipe_text(name: str) -> str:
    """Return the TOML text of a recipe that ships; an unknown name is a ConfigError that suggests the nearest."""
    names = recipe_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        remedy = f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}, or a path that ends in .toml"
        raise ConfigError(f"unknown recipe {name!r}", remedy=remedy)
    return resources.files("corpusloom.pipelines.recipes").joinpath(f"{name}.toml").read_text("utf-8")


def load_recipe(name_or_path: str, overrides: Sequence[str] = ()) -> Recipe:
    """Load a recipe by name, or from a path that ends in .toml, with `dotted.key=value` overrides.

    Inside `filters`, the tables between may be left out where the last name is unique: `filters.min_side=200`
    is `filters.images.min_side=200`. Unknown and ambiguous keys are ConfigErrors.
    """
    if name_or_path.endswith(".toml"):
        values = configs.load_toml(name_or_path)
    else:
        values = tomllib.loads(recipe_text(name_or_path))
    values = configs.override(values, [_expand(assignment) for assignment in overrides])
    return configs.build(Recipe, values, where=name_or_path)


def _expand(assignment: str) -> str:
    """Write the short path of an override out: filters.min_side -> filters.images.min_side."""
    name, equals, value = assignment.partition("=")
    parts = name.strip().split(".")
    if len(parts) != 2 or parts[0] != "filters" or parts[1] in _FILTER_FIELDS:
        return assignment
    tables = [table for table in _FILTER_TABLES if parts[1] in _FILTER_TABLES[table]]
    if len(tables) > 1:
        options = ", ".join(f"filters.{table}.{parts[1]}" for table in tables)
        raise ConfigError(f"{name.strip()} could be several", where="--set", remedy=f"say which: {options}")
    return f"filters.{tables[0]}.{parts[1]}{equals}{value}" if tables else assignment


def _config_fields(hint: Any) -> tuple[str, ...]:
    options = getattr(hint, "__args__", (hint,))
    return tuple(
        item.name for option in options if dataclasses.is_dataclass(option) for item in dataclasses.fields(option)
    )


_FILTER_FIELDS = tuple(item.name for item in dataclasses.fields(Filters))
_FILTER_TABLES = {item.name: _config_fields(item.type) for item in dataclasses.fields(Filters)}


def config_json(recipe: Recipe) -> str:
    """Return a recipe as canonical JSON (keys sorted, no blanks): what its hash and the manifest are made of."""
    return json.dumps(dataclasses.asdict(recipe), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def to_toml(recipe: Recipe) -> str:
    """Return a recipe as TOML, all defaults written out, for --print-config. What is off is left out."""
    lines: list[str] = []
    _write_table(dataclasses.asdict(recipe), "", lines)
    return "\n".join(lines).strip() + "\n"


def _write_table(table: dict[str, Any], prefix: str, lines: list[str]) -> None:
    for name, value in table.items():
        if value is not None and not isinstance(value, dict):
            lines.append(f"{name} = {_toml_value(value)}")
    for name, value in table.items():
        if isinstance(value, dict):
            lines.extend(("", f"[{prefix}{name}]"))
            _write_table(value, f"{prefix}{name}.", lines)


def _toml_value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml_value, value))}]"
    text = json.dumps(value, ensure_ascii=False)
    return re.sub(r"\x7f", r"\\u007f", text)
