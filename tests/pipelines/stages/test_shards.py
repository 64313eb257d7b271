"""The judge of the shards stage has the present store, and the models of the recipe's scores."""

from pathlib import Path

from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.pipelines.stages.selected_records import SelectedRecords
from corpusloom.pipelines.stages.shards import ShardsConfig, open_judge
from corpusloom.schemas.verdicts import Dead


def test_the_judge_has_a_model_per_score_that_the_recipe_asks_for(tmp_path: Path) -> None:
    recipe = load_recipe("align", ["filters.scores.clip.model=m"])
    records = SelectedRecords(recipe=recipe, folder="", records=(), decisions=())
    config = ShardsConfig(
        dataset="", folder="", selected=records, store=str(tmp_path), shards=1, score_models={"clip": "0" * 64}
    )
    judge = open_judge(config)
    assert (judge.recipe, judge.store.folder, len(judge.index)) == (recipe, str(tmp_path), 0)
    (model,) = judge.models
    assert model.best("a" * 64, ("text",)) == (Dead("not_scored"), {})
