"""Judges images and texts by the stored scores of models."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.store.model_scores import ModelScores, scores_folder, text_sha256
from corpusloom.schemas.verdicts import Dead, Kept, Rejected, Rule, Scores, Verdict, decide


@dataclass(frozen=True, slots=True)
class ModelJudge:
    """The scores of one model, and the rules on them."""

    name: str
    """Name of its table in the recipe, such as clip."""
    stored: ModelScores
    rules: tuple[Rule, ...]

    def __call__(self, image_sha256: str, text: str) -> tuple[Verdict, Scores]:
        """Return the verdict on an image and its text, and their score.

        Without a score they are rejected for the reason that is stored, also where the recipe has no bound.
        """
        found = self.stored.find(image_sha256, text_sha256(text))
        if found is None:
            return Dead("not_scored"), {}
        if found.score is None:
            return Rejected(f"{self.name}_{found.error}"), {}
        scores = {f"{self.name}_score": found.score}
        return decide(scores, self.rules), scores


def read_judges(recipe: Recipe, store: str, models: Mapping[str, str]) -> Iterator[ModelJudge]:
    """Yield the judge of each score of a recipe, by the stored scores of its model: name -> digest of its weights."""
    asked = recipe.filters.scores
    for name in () if asked is None else asked.models:
        stored = ModelScores.read(scores_folder(store, name, models[name]))
        yield ModelJudge(name, stored, () if asked is None else asked.rules(name))


def judge_pair(judges: Sequence[ModelJudge], image_sha256: str, text: str) -> tuple[Verdict, Scores]:
    """Return the verdict of the first model that does not keep a pair, and the scores by all models."""
    verdict: Verdict = Kept()
    scores: Scores = {}
    for judge in judges:
        own, measured = judge(image_sha256, text)
        scores |= measured
        verdict = own if isinstance(verdict, Kept) else verdict
    return verdict, scores
