"""Every recipe's graph is built and validated without a runner, a file or a network."""

import importlib.util

import pytest

from corpusloom.pipelines.builds.dry_run import describe, dry_run
from corpusloom.pipelines.engine.runners import Profile
from corpusloom.pipelines.recipes.recipe import load_recipe, recipe_names
from corpusloom.schemas.errors import ConfigError

STAGES = ["extract", "select", "images", "facts", "shards"]
OTHERS = {"regions": ["detect", "regions"], "clips": ["clips", "shards"]}
"""Stages of the kinds that are not made from web pages."""
CLUSTERED = ["extract", "select", "round", "roots", "images", "facts", "shards"]
"""Graphs of a recipe that clusters near-duplicates."""


@pytest.mark.parametrize("name", recipe_names())
def test_the_graph_of_every_stage_of_every_recipe_is_built(name: str) -> None:
    recipe = load_recipe(name)
    graphs = dry_run(recipe, "gs://nowhere/data", Profile())
    clustered = recipe.dedup.minhash is not None
    made = [graph.stage for graph in graphs]
    assert made == OTHERS.get(recipe.kind, CLUSTERED if clustered else STAGES)
    for graph in graphs:
        assert len(set(graph.transforms)) == len(graph.transforms)
    assert "Spread" in describe(graphs)


@pytest.mark.parametrize("name", recipe_names())
def test_dataflow_accepts_the_graph_offline_or_says_what_is_missing(name: str) -> None:
    profile = Profile(runner="dataflow")
    if importlib.util.find_spec("apitools") is None:
        with pytest.raises(ConfigError, match=r"corpusloom\[dataflow\]"):
            dry_run(load_recipe(name), "gs://bucket/data", profile)
        return
    assert dry_run(load_recipe(name), "gs://bucket/data", profile)
