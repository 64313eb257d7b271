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
    alone: bool = False
    """Whether the scores are those of images alone."""

    def score(self, image_sha256: str, text: str) -> float | None:
        """Return the score of an image and a text, or None if there is none."""
        found = self.stored.find(image_sha256, text_sha256(text))
        return None if found is None else found.score

    def best(self, image_sha256: str, texts: Sequence[str]) -> tuple[Verdict, Scores]:
        """Return the verdict on an image by its largest score with one of its texts, and that score.

        Without any score it is rejected for the reason that is stored, also where the recipe has no bound.
        """
        compared = ("",) if self.alone else texts
        found = [self.stored.find(image_sha256, text_sha256(text)) for text in compared]
        known = [item for item in found if item is not None]
        if not known:
            return Dead("not_scored"), {}
        finite = [item.score for item in known if item.score is not None]
        if not finite:
            return Rejected(f"{self.name}_{known[0].error}"), {}
        scores = {f"{self.name}_score": max(finite)}
        return decide(scores, self.rules), scores


def read_judges(
    recipe: Recipe, store: str, models: Mapping[str, str], least: Mapping[str, float]
) -> Iterator[ModelJudge]:
    """Yield the judge of each score of a recipe, by the stored scores of its model.

    Args:
      recipe: The recipe.
      store: Folder of the image store.
      models: Score -> digest of the weights of its model.
      least: Score -> threshold of its top fraction, if the recipe keeps one.
    """
    asked = recipe.filters.scores
    if asked is None:
        return
    for name in asked.models:
        stored = ModelScores.read(scores_folder(store, name, models[name]))
        yield ModelJudge(name, stored, asked.rules(name, least.get(name)), asked.head_of(name) is not None)


def judge_texts(judges: Sequence[ModelJudge], image_sha256: str, texts: Sequence[str]) -> tuple[Verdict, Scores]:
    """Return the verdict of the first model that does not keep an image and its texts, and the scores by all models."""
    verdict: Verdict = Kept()
    scores: Scores = {}
    for judge in judges:
        own, measured = judge.best(image_sha256, texts)
        scores |= measured
        verdict = own if isinstance(verdict, Kept) else verdict
    return verdict, scores
