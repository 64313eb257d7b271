"""Checks that stored records have the scores that rules judge: a rule without a score would keep everything."""

from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from corpusloom.pipelines.recipes.measuring import measured_names
from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.schemas import tables
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.verdicts import Rule

EMPTY = {"words": 0.0, "caption_words": 0.0}
"""Score -> its value for a record without text, for which ratios are not measured."""


def check_scores(fragments: Sequence[str], rules: Iterable[Rule], recipe: Recipe, folder: str) -> None:
    """Raise InputError if a rule judges a score that this version measures and no stored record has.

    Args:
      fragments: Fragments of heads; reading stops once every score has been found.
      rules: Rules on a single record.
      recipe: The recipe, which says what is measured.
      folder: Folder of the fragments, for the message.
    """
    measured = measured_names(recipe)
    missing = {rule.score: rule.reason for rule in rules if rule.score in measured}
    has_text = False
    for path in fragments:
        if not missing:
            return
        scores = tables.read_table(path, ["scores"])["scores"].combine_chunks()
        chunks = scores.chunks if isinstance(scores, pa.ChunkedArray) else [scores]
        for chunk in chunks:
            found = set(pc.unique(chunk.keys).to_pylist())
            missing = {score: reason for score, reason in missing.items() if score not in found}
            has_text = has_text or (bool(missing) and any(map(_has_text, chunk.to_pylist())))
    if missing and has_text:
        score, reason = min(missing.items())
        raise InputError(
            f"rule {reason} judges the score {score}, which no stored record has",
            where=folder,
            remedy="delete this folder and run the same command again, which measures the records anew",
        )


def _has_text(scores: list[tuple[str, float]]) -> bool:
    """Return whether a record has words to measure."""
    known = dict(scores)
    return any(known.get(name, empty) > empty for name, empty in EMPTY.items())
