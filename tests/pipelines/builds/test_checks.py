"""What would stop a build later is refused before its first stage."""

import dataclasses
from pathlib import Path

import pytest

from corpusloom.pipelines.builds import checks
from corpusloom.pipelines.builds.config import BuildConfig
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.recipes.recipe import config_json, load_recipe
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.schemas.manifest import Manifest, write_manifest
from corpusloom.schemas.records import FileEntry

INPUT = FileEntry(name="a.warc", sha256="a" * 64, bytes=1)


def config(tmp_path: Path, *, recipe: str = "m3w", overrides: tuple[str, ...] = (), **values: object) -> BuildConfig:
    """Return the configuration of a build into `out`."""
    folders = {"out": str(tmp_path / "out"), "work": str(tmp_path / "work"), "store": str(tmp_path / "store")}
    return BuildConfig(recipe=load_recipe(recipe, overrides), fetch=FetchConfig(), **{**folders, **values})


def finished(made: BuildConfig, *, shards: int = 2) -> None:
    """Write the manifest of a finished build of this configuration over `INPUT`."""
    write_manifest(
        made.out,
        Manifest(
            recipe=made.recipe.name, kind=made.recipe.kind, config=config_json(made.recipe), inputs=(INPUT,),
            shard_count=shards, samples=0, counts=(), shards=(), tables=(), digest="d",
        ),
    )  # fmt: skip


def test_a_folder_without_a_dataset_or_with_the_same_one_is_accepted(tmp_path: Path) -> None:
    made = config(tmp_path)
    checks.refuse_other_dataset(made, [INPUT])
    finished(made)
    checks.refuse_other_dataset(made, [dataclasses.replace(INPUT, name="elsewhere/b.warc")])
    checks.refuse_other_dataset(dataclasses.replace(made, shards=2), [INPUT])


def test_a_damaged_manifest_is_left_to_the_build_that_made_it(tmp_path: Path) -> None:
    made = config(tmp_path)
    finished(made)
    (tmp_path / "out" / "manifest.json").write_text('{"format')
    checks.refuse_other_dataset(made, [])


def test_another_dataset_is_named_for_what_differs(tmp_path: Path) -> None:
    made = config(tmp_path)
    finished(made)
    other = dataclasses.replace(INPUT, sha256="b" * 64)
    changed = config(tmp_path, overrides=("filters.min_side=9",))
    many = config(
        tmp_path, overrides=("filters.min_side=9", "filters.max_aspect=9", "images.max_per_page=9", "split.val=0.5")
    )
    for build, inputs, message in (
        (config(tmp_path, recipe="obelics"), [INPUT], "of the recipe m3w, not obelics"),
        (changed, [INPUT], r"other keys: filters\.images\.min_side \("),
        (many, [INPUT], r"filters\.images\.max_aspect, filters\.images\.min_side, images\.max_per_page and 1 more"),
        (made, [INPUT, other], "of other inputs"),
        (dataclasses.replace(made, shards=4), [INPUT], "of 2 shards, not 4"),
    ):
        with pytest.raises(ConfigError, match=f"{message}.*give another --out, or delete the folder"):
            checks.refuse_other_dataset(build, inputs)


def test_files_that_a_build_reads_late_are_looked_at_first(tmp_path: Path) -> None:
    hashes = tmp_path / "hashes.txt"
    hashes.write_text("0" * 32 + "\n")
    checks.check_files(config(tmp_path, blocklists=(f"md5={hashes}",)))
    hashes.write_text("not a hash\n")
    with pytest.raises(InputError, match=r"hashes\.txt"):
        checks.check_files(config(tmp_path, blocklists=(f"md5={hashes}",)))
    missing = f"dedup.decontaminate=['{tmp_path}/none.jsonl']"
    with pytest.raises(InputError, match=r"none\.jsonl"):
        checks.check_files(config(tmp_path, overrides=(missing,)))
    with pytest.raises(ConfigError, match="is an input as well"):
        checks.check_files(config(tmp_path, warcs=(f"{tmp_path}/out/",)))


def test_an_unknown_scorer_and_a_store_that_is_a_file_are_refused(tmp_path: Path) -> None:
    checks.check_images(config(tmp_path))
    with pytest.raises(ConfigError, match="no image scorer is called 'nobody'"):
        checks.check_images(config(tmp_path, overrides=("filters.images.nsfw_model='nobody'",)))
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="a file has the name of the folder"):
        checks.check_images(config(tmp_path, store=str(tmp_path / "file")))
