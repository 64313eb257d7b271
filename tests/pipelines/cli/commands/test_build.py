"""The flags of `loom build`: each is used and reaches the configuration of the build."""

import ast
import dataclasses
import inspect
from typing import Any

import pytest

from corpusloom.pipelines.builds import finish
from corpusloom.pipelines.builds.config import BuildConfig, BuildOptions
from corpusloom.pipelines.cli.argv.arguments import parse
from corpusloom.pipelines.cli.commands import build as command
from corpusloom.pipelines.cli.commands.build import BuildFlags, Command
from corpusloom.pipelines.engine.subprocesses import cores
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.schemas.errors import ConfigError

M3W = load_recipe("m3w")


def flags(*argv: str) -> Any:
    """Return the configuration of `loom build m3w` with these flags; without an input it is a plan of stored pages."""
    plan = ["--plan"] if "--warc" in argv else [] if "--from" in argv else ["--plan", "--from", "pages"]
    return parse(Command, ["m3w", "--out", "data/m3w", *argv, *plan], "loom build")


def test_every_flag_that_a_build_does_not_share_is_used_by_the_command() -> None:
    tree = ast.parse(inspect.getsource(command))
    used = {
        node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self"
    }
    own = {item.name for item in dataclasses.fields(BuildFlags)} - {
        item.name for item in dataclasses.fields(BuildOptions)
    }
    assert own
    assert own - used == set()


def test_every_shared_option_reaches_the_build() -> None:
    changed = {
        "verify_digests": True, "resolve_revisits": True, "shards": 8, "workers": 5, "limit": 7, "passes": 3,
        "videos": ("f",),
        "warcs": ("a", "b"), "lists": ("c",), "from_img2dataset": ("d",), "blocklists": ("url=e",),
        "fetcher": "img2dataset", "out": "data/m3w",
    }  # fmt: skip
    argv = ["--verify-digests", "--resolve-revisits", "--shards", "8", "--workers", "5", "--limit", "7"]
    argv += ["--passes", "3", "--warc", "a", "b", "--list", "c", "--from-img2dataset", "d", "--blocklist", "url=e"]
    argv += [
        "--video",
        "f",
        "--fetcher",
        "img2dataset",
        "--url-column",
        "u",
        "--caption-column",
        "k",
        "--runner",
        "portable",
    ]
    found = flags(*argv).with_beam_options(("--x=1",)).build_config(M3W)
    assert set(changed) | {"columns", "profile"} == {item.name for item in dataclasses.fields(BuildOptions)}
    assert {name: getattr(found, name) for name in changed} == changed
    assert (found.columns.url_column, found.columns.caption_column) == ("u", "k")
    assert (found.profile.runner, found.profile.beam_options) == ("portable", ("--x=1",))


def test_defaults_follow_from_the_folder_of_the_dataset() -> None:
    found = flags().build_config(M3W)
    assert (found.work, found.store) == ("data/m3w.work", "data/m3w.work/images")
    assert (found.from_pages, found.memory, found.lanes) == (True, None, cores())
    argv = ["m3w", "--out", "s3://b/m3w/", "--warc", "a", "--plan"]
    bucket = parse(Command, argv, "loom build").build_config(M3W)
    assert (bucket.work, bucket.from_pages) == ("s3://b/m3w.work", False)


def test_given_flags_replace_the_defaults() -> None:
    found = flags("--work", "w", "--memory", "2GB", "--lanes", "3", "--from", "pages").build_config(M3W)
    assert (found.work, found.store, found.memory, found.lanes) == ("w", "w/images", 2 * 10**9, 3)
    assert found.from_pages
    assert flags("--store", "s").build_config(M3W).store == "s"
    assert flags("--runner", "portable", "--workers", "6").build_config(M3W).lanes == 6


@pytest.mark.parametrize(
    ("argv", "match"),
    [
        (["--lanes", "0"], "--lanes is 0"),
        (["--passes", "0"], "--passes is 0"),
        (["--shards", "3"], "power of two"),
        (["--from", "data/align"], "not --from a dataset"),
    ],
)
def test_contradictory_flags_are_refused(argv: list[str], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        flags(*argv).build_config(M3W)


def test_the_split_is_a_key_of_the_recipe() -> None:
    assert flags("--split", "val=0.01", "--set", "images.quality=90").overrides == (
        "images.quality=90",
        "split.val=0.01",
    )
    assert flags("--verify-hash", "sum:md5").overrides == ('images.verify_hash="sum:md5"',)
    with pytest.raises(ConfigError, match=r"--split val=0\.01"):
        _ = flags("--split", "0.01").overrides


def test_another_kind_of_records_is_selected_by_another_command() -> None:
    with pytest.raises(ConfigError, match=r"m3w makes pages.*use loom pages"):
        flags().run_selection("pairs")


def test_run_json_records_every_field_but_those_that_change_no_byte() -> None:
    names = {item.name for item in dataclasses.fields(BuildConfig)}
    assert names > finish.NOT_RECORDED
    recorded = finish.origin(flags("--limit", "7", "--warc", "a").build_config(M3W))
    assert set(recorded) == names - finish.NOT_RECORDED | {"recipe"}
    assert (recorded["limit"], recorded["warcs"], recorded["recipe"]["name"]) == (7, ["a"], "m3w")
