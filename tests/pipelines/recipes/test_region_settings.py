"""Settings of regions that contradict each other are refused."""

import pytest

from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.schemas.errors import ConfigError


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["regions.min_boxes=0"], "min_boxes is 0"),
        (["regions.max_boxes=9"], "min_boxes is 10, max_boxes 9"),
        (["regions.min_score=1.5"], "min_score is 1.5"),
        (["regions.max_overlap=-1"], "max_overlap is -1"),
        (["regions.match=name"], "match is 'name'.*url, key or columns.NAME"),
    ],
)
def test_a_contradiction_is_refused(assignments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_recipe("regions", assignments)


def test_settings_of_regions_are_for_regions_alone() -> None:
    with pytest.raises(ConfigError, match=r"regions.max_boxes is for regions"):
        load_recipe("align", ["regions.max_boxes=20"])
    made = load_recipe("regions", ['regions.tsv=["a.tsv"]', "regions.match=columns.image_id"]).regions
    assert (made.tsv, made.match) == (("a.tsv",), "columns.image_id")
