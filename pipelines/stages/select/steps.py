"""What is decided over a whole corpus, in order: the steps of a recipe, whoever runs them.

`select.build` runs them on an engine (Dataflow, Flink, Spark), `select_local.select` on one machine over Arrow.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from corpusloom.pipelines.recipes.deciding import pair_rules, select_rules
from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.schemas.verdicts import Rule

By = Literal["key", "text_key", "image_key"]


@dataclass(frozen=True, slots=True)
class Judge:
    """Reject a kept head by the first failing rule on its scores."""

    label: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class KeepOne:
    """Of kept heads that share `by` the one of smallest (rank, key, parent) survives."""

    label: str
    by: By
    reason: str


@dataclass(frozen=True, slots=True)
class KeepOneOfNearDuplicates:
    """Of kept heads whose MinHash bands connect them the one of smallest rank survives."""

    label: str
    distinct: bool
    """No two kept heads have one key: so none are one node of the graph."""


@dataclass(frozen=True, slots=True)
class MarkFrequentParagraphs:
    """Kept heads learn which of their paragraphs occur more than `most` times in their domain."""

    label: str
    most: int


@dataclass(frozen=True, slots=True)
class CountDistinct:
    """Heads that share `by`, rejected ones too, get the number of distinct `of` among them as a score."""

    label: str
    by: By
    of: By
    score: str


Step: TypeAlias = Judge | KeepOne | KeepOneOfNearDuplicates | MarkFrequentParagraphs | CountDistinct


def page_steps(recipe: Recipe) -> tuple[Step, ...]:
    """Return how pages are decided on: rules, one page a URL, one a text, one of near-duplicates.

    Then paragraphs that are frequent in a domain are marked (after the duplicates, else every copy of a page votes),
    and one page a set of images stays.
    """
    dedup = recipe.dedup
    steps: list[Step] = [Judge("Judge pages", select_rules(recipe))]
    if dedup.exact_url:
        steps.append(KeepOne("One page a URL", "key", "duplicate_url"))
    if dedup.exact_text is not None:
        steps.append(KeepOne("One page a text", "text_key", "duplicate_text"))
    if dedup.minhash is not None:
        steps.append(KeepOneOfNearDuplicates("One of near-duplicates", distinct=dedup.exact_url))
    if dedup.max_domain_paragraph is not None:
        steps.append(MarkFrequentParagraphs("Mark frequent paragraphs", dedup.max_domain_paragraph))
    if dedup.exact_image_set:
        steps.append(KeepOne("One page a set of images", "image_key", "duplicate_image_set"))
    return tuple(steps)


def pair_steps(recipe: Recipe) -> tuple[Step, ...]:
    """Return how pairs are decided on.

    ALIGN (arXiv 2102.05918, section 3) counts over the raw set: images that share a text, texts of an image.
    """
    return (
        CountDistinct("Images a text", by="text_key", of="image_key", score="text_images"),
        CountDistinct("Texts an image", by="image_key", of="text_key", score="image_texts"),
        Judge("Judge pairs", pair_rules(recipe)),
        KeepOne("One of equal pairs", "key", "duplicate_pair"),
    )
