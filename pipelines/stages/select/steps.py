"""The steps in which a recipe decides over a whole corpus, as values.

`distributed` runs them on a Beam runner (Dataflow, Flink, Spark), `local` on one machine over Arrow. `group_decisions`
defines each step as a pure function over one head or one group of heads.
"""

from dataclasses import dataclass
from typing import TypeAlias

from corpusloom.pipelines.recipes.deciding import balance_rules, hypernym_rules, pair_rules, select_rules
from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.stages.select.group_decisions import By
from corpusloom.schemas.verdicts import Rule


@dataclass(frozen=True, slots=True)
class Judge:
    """Reject a kept head by the first failing rule on its scores (`group_decisions.judge`)."""

    label: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class KeepOne:
    """Keep one of the kept heads that share a key, the first by (rank, key, parent) (`group_decisions.keep_one`)."""

    label: str
    by: By
    reason: str


@dataclass(frozen=True, slots=True)
class KeepOneOfNearDuplicates:
    """Keep one of the kept heads that MinHash bands connect, the first by (mixture, rank, key, parent).

    `group_decisions.clusters_of` defines which heads are connected, `group_decisions.keep_root` which one is kept.
    """

    label: str
    distinct: bool
    """True if keys are unique among kept heads; otherwise equal names share a graph node."""


@dataclass(frozen=True, slots=True)
class MarkFrequentParagraphs:
    """Mark paragraphs of kept heads that occur more than `most` times in their domain.

    `group_decisions.is_frequent` and `group_decisions.mark_frequent`.
    """

    label: str
    most: int


@dataclass(frozen=True, slots=True)
class CountDistinct:
    """Score heads that share `by`, rejected ones too, with their number of distinct `of`.

    `group_decisions.count_distinct`.
    """

    label: str
    by: By
    of: By
    score: str


@dataclass(frozen=True, slots=True)
class CountTokens:
    """Score heads, rejected ones too, with the occurrences of their rarest token and the rank of this number.

    `group_decisions.token_ranks` and `group_decisions.score_tokens`.
    """

    label: str


@dataclass(frozen=True, slots=True)
class DrawEntries:
    """Score kept heads with the smallest draw of their entries (`group_decisions.draw_entries`)."""

    label: str
    seed: int


@dataclass(frozen=True, slots=True)
class CountEntries:
    """Score kept heads with the kept heads that have their rarest entry (`group_decisions.count_entries`)."""

    label: str


Step: TypeAlias = (
    Judge
    | KeepOne
    | KeepOneOfNearDuplicates
    | MarkFrequentParagraphs
    | CountDistinct
    | CountTokens
    | DrawEntries
    | CountEntries
)


def page_steps(recipe: Recipe) -> tuple[Step, ...]:
    """Return the steps for pages: rules, then one page per URL, per text and per cluster of near-duplicates.

    Paragraphs are counted after that, because each copy of a page would count its paragraphs again. One page per set of
    images comes last.
    """
    dedup = recipe.dedup
    steps: list[Step] = [Judge("Judge pages", select_rules(recipe))]
    if dedup.exact_url:
        steps.append(KeepOne("One page per URL", "key", "duplicate_url"))
    if dedup.exact_text is not None:
        steps.append(KeepOne("One page per text", "text_key", "duplicate_text"))
    if dedup.minhash is not None:
        steps.append(KeepOneOfNearDuplicates("One of near-duplicates", distinct=dedup.exact_url))
    if dedup.max_domain_paragraph is not None:
        steps.append(MarkFrequentParagraphs("Mark frequent paragraphs", dedup.max_domain_paragraph))
    if dedup.exact_image_set:
        steps.append(KeepOne("One page per set of images", "image_key", "duplicate_image_set"))
    return tuple(steps)


def pair_steps(recipe: Recipe) -> tuple[Step, ...]:
    """Return the steps for pairs.

    ALIGN (arXiv 2102.05918, section 3) counts images per text, texts per image and tokens over the raw set, so all
    counts come before any rule. Entries are balanced, and
    hypernyms counted, last, over the pairs that all other rules keep.
    """
    captions, entries = recipe.filters.captions, recipe.filters.entries
    balance: tuple[Step, ...] = ()
    rare = hypernym_rules(recipe)
    if entries is not None and entries.max_pairs is not None:
        balance = (
            DrawEntries("Draw entries", entries.rng_seed),
            Judge("Balance entries", balance_rules(recipe)),
        )
    return (
        CountDistinct("Images per text", by="text_key", of="image_key", score="text_images"),
        CountDistinct("Texts per image", by="image_key", of="text_key", score="image_texts"),
        *((CountTokens("Count tokens"),) if captions is not None and captions.counts_tokens else ()),
        Judge("Judge pairs", pair_rules(recipe)),
        KeepOne("One of equal pairs", "key", "duplicate_pair"),
        *balance,
        *((CountEntries("Count hypernyms"), Judge("Judge hypernyms", rare)) if rare else ()),
    )
