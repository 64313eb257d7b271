"""Take-down: what was named is removed from a dataset and everything that it was made from, and stays away.

The tombstone is committed first, so from then on no build on the store brings it back; then the store, the stage files
and the shards concerned are written anew by an ordinary build. Killed anywhere, it is run again and goes on.
"""

import json
from dataclasses import dataclass

from corpusloom.pipelines.builds import build
from corpusloom.pipelines.builds.apply_tombstones import named_records, purge_store, purge_warc, purge_work
from corpusloom.pipelines.builds.config import BuildConfig
from corpusloom.pipelines.builds.plan import Planner
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.recipes.recipe import from_json
from corpusloom.pipelines.stages.select.decisions import decisions, wanted_urls
from corpusloom.pipelines.store import tombstones
from corpusloom.pipelines.store.dataset import folder as store_dataset
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.list_rows import ListConfig
from corpusloom.pipelines.store.stages import Stage, carry_over, read_report
from corpusloom.pipelines.store.tombstones import Tombstones
from corpusloom.schemas import arrow, identity, layout, storage
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.schemas.manifest import Manifest, read_manifest
from corpusloom.schemas.records import FileEntry, Head

RUN = "run.json"
DESCRIPTIONS = ("report.html", "README.md", "croissant.json")
"""Files beside the shards that may quote from them; they are made again when asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What a take-down did."""

    shards: tuple[int, ...]
    """The shards that were written anew."""
    warcs: tuple[str, ...]
    """The WARCs that were written anew."""
    digest: str
    """The dataset's digest now."""
    derived: tuple[str, ...] = ()
    """Datasets of regions that were made anew, reports that were removed."""
    left: tuple[str, ...] = ()
    """What was made from the dataset and is out of reach."""


def make_tombstones(
    *,
    urls: tuple[str, ...] = (),
    domains: tuple[str, ...] = (),
    sha256: tuple[str, ...] = (),
    keys: tuple[str, ...] = (),
) -> Tombstones:
    """Return the tombstones of what a person names: hashes of it."""
    for name, values, digits in (("--sha256", sha256, 64), ("--key", keys, layout.KEY_DIGITS)):
        for value in values:
            if len(value) != digits or set(value) - set("0123456789abcdef"):
                raise ConfigError(f"{value!r} is not {digits} hex digits", where=name)
    for url in urls:
        if "://" not in url:
            raise ConfigError(f"{url!r} is no URL", where="--url", remedy="give it with its scheme, or use --domain")
    of_urls = {key for url in urls for key in (identity.page_key(url), identity.image_key(url))}
    return Tombstones(
        keys=frozenset({*keys, *of_urls}),
        domains=frozenset(map(tombstones.domain_hash, domains)),
        sha256=frozenset(sha256),
    )


def read_config(dataset: str) -> BuildConfig:
    """Return the configuration that built a dataset, from its run.json; inputs must be where they were."""
    path = storage.join(dataset, RUN)
    run = json.loads(storage.read_bytes(path))
    if "source" in run:
        raise ConfigError(
            "made from another dataset", where=dataset, remedy=f"loom forget {run['source']} ... reaches it"
        )
    values = run.get("build")
    if values is None:
        raise InputError("does not say what it was built from", where=path, remedy="build the dataset again")
    recipe = from_json(values.pop("recipe"), where=path)
    columns = arrow.from_plain(ListConfig, values.pop("columns", {}))
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return BuildConfig(recipe=recipe, out=dataset, fetch=FetchConfig(contact=None), columns=columns, **values)


def concerned(row: Head, stones: Tombstones) -> bool:
    """Say whether a kept head, or an image of it, is taken down by these tombstones."""
    if row.url and tombstones.is_taken_down(row, stones):
        return True
    return any(stones.has_image(url) for url in row.images)


def forget(dataset: str, stones: Tombstones, reporter: Reporter, *, warc: bool = False) -> Forgotten:
    """Take down what the tombstones name; return what was written anew."""
    config = read_config(dataset)
    stones = stones | _images_of(config.store, stones)
    every = tombstones.read(config.store) | stones
    planner = Planner(config)
    if warc and not config.warcs:
        raise ConfigError("built --from pages or lists: no WARC of its own", where=dataset, remedy="leave out --warc")
    extract, inputs = planner.planned_pages()
    select = planner.plan_select(extract)
    whole = select.done and storage.exists(storage.join(dataset, layout.MANIFEST))
    old = _old_shards(planner, select) if whole else None
    affected = _affected(planner, inputs, select, stones) if old else set()
    tombstones.write(config.store, every)
    purge_store(config.store, every)
    purge_work(config.work, every)
    purged = tuple(entry.name for entry in inputs if warc and purge_warc(entry.name, config.work, every))
    if purged:  # those WARCs have other bytes now
        select = planner.plan_select(planner.planned_pages()[0])
    before = read_manifest(dataset) if old is not None else None
    if old is not None and before is not None:
        _carry_over(planner, old, select, before, affected)
    else:  # moved since, or unfinished: all shards are written anew
        _clear(dataset)
        store_dataset.clear(dataset)
    report = build.build(config, reporter)
    assert report.manifest is not None
    written = affected if old else range(report.manifest.shard_count)
    from corpusloom.pipelines.datasets import forget_derived  # with Beam and a model: seldom needed

    derived, left = forget_derived.purge(dataset, before)
    return Forgotten(
        shards=tuple(sorted(written)),
        warcs=purged,
        digest=report.manifest.digest,
        derived=tuple(derived),
        left=tuple(left),
    )


def _images_of(store: str, stones: Tombstones) -> Tombstones:
    """Return the keys of the URLs under which the store knows the images that are named by their hash."""
    if not stones.sha256:
        return Tombstones()
    rows = ImageStore(store).index().rows()
    return Tombstones(keys=frozenset(row.key for row in rows if row.sha256 in stones.sha256))


def _old_shards(planner: Planner, select: Stage) -> Stage | None:
    if not select.done:
        return None
    stage = planner.plan_shards(select, wanted_urls(select, planner.recipe), planner.shard_count(read_report(select)))
    return stage if stage.done else None


def _affected(planner: Planner, inputs: list[FileEntry], select: Stage, stones: Tombstones) -> set[int]:
    """Return the shards that hold, or once weighed, something that is taken down now."""
    shards = planner.shard_count(read_report(select))
    gone = named_records(planner.fragments(inputs, "records"), stones)
    return {
        layout.shard_of(row.key, shards)
        for row in decisions(select, "kept")
        if concerned(row, stones) or (row.key, row.parent) in gone
    }


def _clear(dataset: str) -> None:
    """Remove what describes a dataset as a whole; the manifest first: from here on it is unfinished."""
    for name in (layout.MANIFEST, *DESCRIPTIONS):
        storage.remove(storage.join(dataset, name))


def _carry_over(planner: Planner, old: Stage, select: Stage, manifest: Manifest, affected: set[int]) -> None:
    """Make the finished shards that are not concerned those of the coming stage; remove all else of the dataset."""
    config = planner.config
    if not select.done:  # the WARCs have other bytes now: decide again, on the same heads
        build.build(config, Reporter(quiet=True), until="select")
    new = planner.plan_shards(select, wanted_urls(select, config.recipe), manifest.shard_count)
    store_dataset.claim(config.out, new.fingerprint)
    _clear(config.out)
    for index in range(manifest.shard_count):
        if index in affected:
            store_dataset.remove_shard(config.out, index)
        else:
            carry_over(old, new, index)
    if old.folder != new.folder:
        storage.remove(old.folder, recursive=True)
