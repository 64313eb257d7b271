"""A pair is judged by stored scores: too low, without a score, or not scored at all."""

from pathlib import Path

from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.pipelines.stages.scores.judging import judge_texts, read_judges
from corpusloom.pipelines.store.model_scores import commit, score_key, scores_folder, text_sha256
from corpusloom.schemas.records import ModelScore
from corpusloom.schemas.verdicts import Dead, Kept, Rejected


def row(image: str, text: str, score: float | None, error: str | None = None) -> ModelScore:
    name = text_sha256(text)
    return ModelScore(key=score_key(image, name), sha256=image, text_sha256=name, score=score, error=error)


def test_a_pair_is_kept_from_the_bound_on_and_its_score_is_returned_in_any_case(tmp_path: Path) -> None:
    keys = ("filters.scores.clip.model=m", "filters.scores.clip.min_score=0.28")
    folder = scores_folder(str(tmp_path), "clip", "d" * 64)
    commit(folder, [row("a", "x", 0.28), row("a", "y", 0.2799), row("b", "x", None, "not_finite")])
    judges = [*read_judges(load_recipe("align", keys), str(tmp_path), {"clip": "d" * 64}, {})]
    assert judge_texts(judges, "a", ("x",)) == (Kept(), {"clip_score": 0.28})
    assert judge_texts(judges, "a", ("y",)) == (Rejected("clip_score", 0.2799, 0.28), {"clip_score": 0.2799})
    assert judge_texts(judges, "b", ("x",)) == (Rejected("clip_not_finite"), {})
    assert judge_texts(judges, "b", ("y",)) == (Dead("not_scored"), {})


def test_a_recipe_without_models_keeps_all(tmp_path: Path) -> None:
    assert [*read_judges(load_recipe("align"), str(tmp_path), {}, {})] == []
    assert judge_texts([], "a", ("x",)) == (Kept(), {})
