"""The registry of filters: per filter the name of its table in a recipe, its configuration and its module.

A new filter needs a module in `filters/`, a line in `FilterSet` and a table in a recipe: measuring, deciding, the
fingerprints of stages and the table of keys in docs/recipes.md derive from that line.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, Generic, TypeVar, get_type_hints

from corpusloom.pipelines.filters import (
    boilerplate,
    c4,
    explicit,
    fineweb,
    gopher_quality,
    gopher_repetition,
    language,
    obelics,
    pii,
)
from corpusloom.pipelines.filters.boilerplate import BoilerplateConfig
from corpusloom.pipelines.filters.c4 import C4Config
from corpusloom.pipelines.filters.explicit import ExplicitConfig
from corpusloom.pipelines.filters.fineweb import FineWebConfig
from corpusloom.pipelines.filters.gopher_quality import QualityConfig
from corpusloom.pipelines.filters.gopher_repetition import RepetitionConfig
from corpusloom.pipelines.filters.image_rules import ImageConfig
from corpusloom.pipelines.filters.language import LanguageConfig
from corpusloom.pipelines.filters.obelics import ObelicsConfig
from corpusloom.pipelines.filters.pairs import align_captions, columns, entries, sites, templates
from corpusloom.pipelines.filters.pairs.align_captions import CaptionConfig
from corpusloom.pipelines.filters.pairs.columns import ColumnsConfig
from corpusloom.pipelines.filters.pairs.conceptual import caption_rules
from corpusloom.pipelines.filters.pairs.conceptual.caption_rules import ConceptualConfig
from corpusloom.pipelines.filters.pairs.entries import EntriesConfig
from corpusloom.pipelines.filters.pairs.sites import SitesConfig
from corpusloom.pipelines.filters.pairs.templates import TemplatesConfig
from corpusloom.pipelines.filters.pii import PiiConfig
from corpusloom.pipelines.filters.text.text_filter import INTERLEAVED, TextFilter, block_filter, text_filter
from corpusloom.pipelines.recipes.model_scores import WEB, ScoresConfig
from corpusloom.schemas import config as configs
from corpusloom.schemas.config import setting, threshold
from corpusloom.schemas.verdicts import Rule

Config = TypeVar("Config")
PAIRS = ("pairs",)
CLIPS = ("clips",)


@dataclass(frozen=True, kw_only=True, slots=True)
class WordListPaths:
    """Word lists by path or URL, one word per line; a score whose list is absent is not measured."""

    bad_words: str | None = setting(None, kinds=WEB)
    """Explicit words, bounded by `explicit`, `c4.max_bad_words` and `conceptual.max_bad_words` (arXiv 1910.10683 §2.2:
    the LDNOOBW list)."""
    flagged_words: str | None = setting(None, kinds=INTERLEAVED)
    """Flagged words, bounded by OBELICS' rules (arXiv 2306.16527, Table 3)."""
    common_words: str | None = setting(None, kinds=INTERLEAVED)
    """Common words of the language, of which OBELICS' rules need a share (arXiv 2306.16527, Table 3)."""
    tokens: str | None = setting(None, kinds=PAIRS)
    """Tokens, as `captions.max_unknown_tokens` needs them: a vocabulary that was counted elsewhere."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FilterSet:
    """The filters of a recipe. A filter without a table is off; text filters measure their scores even so."""

    order: tuple[str, ...] = setting((), kinds=INTERLEAVED)
    """Text filters in the order in which they judge; the first rule that fails gives the reason. Filters that are not
    named follow in the order of this table."""
    language: LanguageConfig | None = text_filter(language, WEB)
    """Wanted languages, detected from the text."""
    explicit: ExplicitConfig | None = text_filter(explicit)
    """Bounds on explicit words of a given list."""
    repetition: RepetitionConfig | None = text_filter(gopher_repetition)
    """Gopher's repetition rules."""
    quality: QualityConfig | None = text_filter(gopher_quality)
    """Gopher's quality rules."""
    c4: C4Config | None = text_filter(c4)
    """C4's rules; with this table a kept page also loses the lines that C4 drops."""
    fineweb: FineWebConfig | None = text_filter(fineweb)
    """FineWeb's own rules."""
    obelics: ObelicsConfig | None = text_filter(obelics)
    """OBELICS' paragraph and page rules."""
    boilerplate: BoilerplateConfig | None = block_filter(boilerplate)
    """Boilerplate blocks, dropped before any text is measured."""
    lists: WordListPaths = field(default_factory=WordListPaths)
    """Word lists that some rules need."""
    pii: PiiConfig | None = block_filter(pii)
    """Masks for personal data. Absent: texts are not masked."""
    captions: CaptionConfig | None = block_filter(align_captions, PAIRS)
    """Rules for the text of a pair."""
    conceptual: ConceptualConfig | None = block_filter(caption_rules, PAIRS)
    """Conceptual Captions' rules by parts of speech, and what they cut from captions and replace in them."""
    entries: EntriesConfig | None = block_filter(entries, PAIRS)
    """Entries of a metadata list that a pair's text must have, and the balance between them."""
    columns: ColumnsConfig | None = block_filter(columns, PAIRS)
    """Bounds on numbers that a list holds beside its pairs."""
    scores: ScoresConfig | None = threshold(kinds=WEB)
    """Scores by models, and bounds on them."""
    sites: SitesConfig | None = block_filter(sites, PAIRS)
    """Sites whose pairs are kept."""
    templates: TemplatesConfig | None = block_filter(templates, PAIRS)
    """Texts that name nothing in the image: "image 1 of 5", "click to enlarge", names of files, URLs."""
    images: ImageConfig = field(default_factory=ImageConfig, metadata={"kinds": WEB})
    """Rules for each image."""


@dataclass(frozen=True, slots=True)
class Registered(Generic[Config]):
    """A text filter with its name and its configuration in a recipe."""

    name: str
    module: TextFilter[Config]
    config: Config | None
    """Configuration; None where the recipe leaves the filter out."""
    defaults: Config
    """Configuration with no rule in force and default settings."""

    def rules(self) -> tuple[Rule, ...]:
        """Return the rules that are in force."""
        return () if self.config is None else self.module.rules(self.config)


TEXT_FILTERS: tuple[str, ...] = tuple(item.name for item in fields(FilterSet) if "text_filter" in item.metadata)
"""Names of the text filters, in the order of `FilterSet`."""


def registered(filters: FilterSet) -> Iterator[Registered[Any]]:
    """Yield every text filter, on or off, in the order of `FilterSet`."""
    for item in fields(filters):
        if "text_filter" in item.metadata:
            name, module = item.name, item.metadata["text_filter"]
            yield Registered(name, module, getattr(filters, name), _defaults(name))


@lru_cache(maxsize=32)
def _defaults(name: str) -> Any:
    """Return the configuration of a text filter without any rule."""
    made = configs.table_type(get_type_hints(FilterSet)[name])
    return made()


def text_rules(filters: FilterSet) -> tuple[Rule, ...]:
    """Return the rules for a text, in the recipe's order."""
    found = {item.name: item for item in registered(filters)}
    names = (*filters.order, *(name for name in TEXT_FILTERS if name not in filters.order))
    return tuple(rule for name in names for rule in found[name].rules())
