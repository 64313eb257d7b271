"""The kinds of records, and the kind that a recipe makes."""

from typing import Any, Final

from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.stages.kinds.pages import PAGES
from corpusloom.pipelines.stages.kinds.pairs import PAIRS
from corpusloom.pipelines.stages.kinds.record_kind import RecordKind
from corpusloom.schemas.errors import ConfigError

RECORD_KINDS: tuple[RecordKind[Any, Any], ...] = (PAGES, PAIRS)
"""Kinds of records that are made from web pages."""
REGIONS: Final = "regions"
"""Name of the kind of datasets that are made from pairs by finding regions in their images."""
CLIPS: Final = "clips"
"""Name of the kind of datasets that are made from videos."""
DERIVED_KINDS = (REGIONS, CLIPS)
"""Names of the kinds of datasets that are not made from web pages or lists of images."""


def is_derived(recipe: Recipe) -> bool:
    """Return whether a recipe builds its dataset from another dataset or from videos."""
    return recipe.kind in DERIVED_KINDS


def kind_of(recipe: Recipe) -> RecordKind[Any, Any]:
    """Return the kind of record that a recipe makes from web pages."""
    for kind in RECORD_KINDS:
        if kind.name == recipe.kind:
            return kind
    known = ", ".join(kind.name for kind in RECORD_KINDS)
    raise ConfigError(
        f"no stage makes {recipe.kind} from web pages", where=recipe.name, remedy=f"kind is one of {known}"
    )
