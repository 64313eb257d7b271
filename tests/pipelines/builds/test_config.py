"""A build's configuration: options, refused numbers, a fetcher with the recipe's opt-outs, and the summary."""

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from corpusloom.pipelines.builds import build, finish
from corpusloom.pipelines.builds.config import BuildConfig, BuildReport, summarize
from corpusloom.pipelines.net.config import SIGNALS, FetchConfig
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.manifest import Manifest
from corpusloom.schemas.records import FileEntry, ShardEntry, StageCounts
from tests.pipelines.small_web import QUIET, SmallWeb, small_web
from tests.pipelines.stages.scores.scored_builds import scored_config

READ: set[str] = set()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Watched(BuildConfig):
    """A configuration that notes which of its fields are read."""

    def __getattribute__(self, name: str) -> Any:
        READ.add(name)
        return super().__getattribute__(name)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[SmallWeb]:
    """Yield a scraped world."""
    with small_web(tmp_path) as web:
        web.scrape()
        yield web


def config(**changes: Any) -> BuildConfig:
    """Return a configuration that builds nothing."""
    values = {"recipe": load_recipe("m3w"), "out": "o", "work": "w", "store": "s", "fetch": FetchConfig()}
    return BuildConfig(**(values | changes))


def test_a_build_reads_every_field_of_its_configuration(web: SmallWeb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finish, "origin", lambda config: {})  # run.json holds every field, whether it is used or not
    plain = web.config("align", "align")
    watched = Watched(**{item.name: getattr(plain, item.name) for item in dataclasses.fields(plain)})
    READ.clear()
    build._run(*_planned(watched))
    READ.update(("load_clip", "videos"))  # read for recipes with scores (a test below) and of clips (test_clips)
    assert {item.name for item in dataclasses.fields(BuildConfig)} - READ == set()


def _planned(config: BuildConfig) -> tuple[Any, ...]:
    planner = build.Planner(config)
    extract, inputs = planner.planned_pages()
    return build.Stages(planner, QUIET.fresh()), extract, inputs, "shards"


@pytest.mark.parametrize(("name", "least"), [("limit", 1), ("workers", 0), ("passes", 1)])
def test_a_number_below_the_least_is_refused(name: str, least: int) -> None:
    assert getattr(config(**{name: least}), name) == least
    with pytest.raises(ConfigError, match=rf"--{name} is {least - 1}.*give {least} or more"):
        config(**{name: least - 1})


def test_shards_are_a_power_of_two() -> None:
    assert config(shards=8).shards == 8
    with pytest.raises(ConfigError, match="power of two"):
        config(shards=6)


def test_a_summary_holds_the_counts_of_a_build_that_ended_early() -> None:
    counts = (StageCounts(stage="extract", unit="page", records_in=2, kept=2),)
    found = summarize(BuildReport(manifest=None, reused=(), seconds={"extract": 1.23456, "images": 2.0}, counts=counts))
    assert (found.stages, found.samples, found.shards, found.bytes) == (counts, 0, 0, 0)
    assert found.stage_seconds == {"extract": 1.235, "images": 2.0}
    assert found.seconds == 3.235


def test_a_summary_adds_up_the_tars_of_a_dataset() -> None:
    file = FileEntry(name="f", sha256="0" * 64, bytes=10)
    entries = tuple(
        ShardEntry(index=n, tar=dataclasses.replace(file, bytes=size), sidecar=file, stats=file, samples=3)
        for n, size in enumerate((100, 50))
    )
    manifest = Manifest(
        recipe="align", kind="pairs", config="{}", inputs=(), image_generation=1, shard_count=2, samples=6,
        counts=(), shards=entries, tables=(), digest="d",
    )  # fmt: skip
    found = summarize(BuildReport(manifest=manifest, reused=("extract",), seconds={}))
    assert (found.samples, found.shards, found.bytes, found.seconds) == (6, 2, 150, 0)


def fetching(*assignments: str, **fetch: object) -> BuildConfig:
    """Return a build of m3w whose recipe and fetcher are changed."""
    return BuildConfig(
        recipe=load_recipe("m3w", assignments),
        out="o",
        work="w",
        store="s",
        warcs=(),
        fetch=FetchConfig(contact="me@example.org", **fetch),  # type: ignore[arg-type]
    )


def test_all_opt_outs_are_honoured_unless_the_recipe_says_otherwise() -> None:
    assert fetching().image_fetch.honour == SIGNALS
    assert fetching('honour.signals=["noai"]').image_fetch.honour == ("noai",)
    assert fetching("honour.signals=[]").image_fetch.honour == ()


def test_agents_of_the_command_line_and_of_the_recipe_are_both_obeyed() -> None:
    found = fetching('honour.agents=["CCBot"]', agents=("GPTBot",)).image_fetch
    assert found.agents == ("GPTBot", "CCBot")
    assert fetching().image_fetch.agents == ()


def test_the_other_settings_of_the_fetcher_are_those_given() -> None:
    found = fetching("honour.signals=[]", delay=3.0).image_fetch
    assert (found.contact, found.delay) == ("me@example.org", 3.0)


def test_a_model_is_identified_by_its_weights_once(tmp_path: Path) -> None:
    config = scored_config(tmp_path, "in", "out")
    found = config.identified()
    assert found.score_models == {"clip": hashlib.sha256(b"colours").hexdigest()}
    recorded = dataclasses.replace(found, load_clip=None)
    assert recorded.identified() is recorded
    with pytest.raises(ConfigError, match="use loom build"):
        dataclasses.replace(config, load_clip=None).identified()


def test_a_recipe_without_scores_needs_no_model(tmp_path: Path) -> None:
    config = scored_config(tmp_path, "in", "out", "filters.scores=off", load_clip=None)
    assert config.identified() is config
