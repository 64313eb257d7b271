"""Take-down: removes pages, images and domains from a dataset, its stages and its image store.

The tombstones are committed first, so that no later build on the image store brings the records back. Then the store,
the stages and the affected shards are written again, the shards by an ordinary build. If a take-down is killed, the
same command continues it.
"""

import re
from dataclasses import dataclass

from corpusloom.pipelines.builds import build
from corpusloom.pipelines.builds.apply_tombstones import (
    named_records,
    purge_store,
    purge_warc,
    purge_work,
)
from corpusloom.pipelines.builds.config import BuildConfig
from corpusloom.pipelines.builds.plan import Planner
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.recipes.recipe import from_json
from corpusloom.pipelines.stages.regions.outputs import remove_outputs
from corpusloom.pipelines.stages.select.decisions import decisions, wanted_urls
from corpusloom.pipelines.store import lineage, tombstones
from corpusloom.pipelines.store.dataset import folder as store_dataset
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.lists.list_config import PairListConfig
from corpusloom.pipelines.store.stages import Stage, carry_over, read_report
from corpusloom.pipelines.store.tombstones import Tombstones
from corpusloom.schemas import arrow, identity, layout, storage
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.schemas.manifest import Manifest, read_manifest
from corpusloom.schemas.records import FileEntry, Head
from corpusloom.schemas.urls.redaction import redacted

RUN = "run.json"
DESCRIPTIONS = ("report.html", "README.md", "croissant.json")
"""Files beside the shards that may quote samples; a build or `loom stats --html` writes them again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """The result of a take-down."""

    shards: tuple[int, ...]
    """Shards that were written again."""
    warcs: tuple[str, ...]
    """WARCs that were written again."""
    digest: str
    """Digest of the dataset after the take-down."""
    derived: tuple[str, ...] = ()
    """Datasets of regions that were made again, and reports that were deleted."""
    left: tuple[str, ...] = ()
    """Derived datasets and reports that could not be reached."""


def make_tombstones(
    *,
    urls: tuple[str, ...] = (),
    domains: tuple[str, ...] = (),
    sha256: tuple[str, ...] = (),
    keys: tuple[str, ...] = (),
) -> Tombstones:
    """Return the tombstones of URLs, domains, image hashes and keys."""
    for name, values, digits in (("--sha256", sha256, 64), ("--key", keys, layout.KEY_DIGITS)):
        for value in values:
            if len(value) != digits or set(value) - set("0123456789abcdef"):
                raise ConfigError(f"{value!r} is not {digits} hex digits", where=name)
    for url in urls:
        if "://" not in url:
            raise ConfigError(f"{url!r} is no URL", where="--url", remedy="give it with its scheme, or use --domain")
    of_urls = {
        key for url in (*urls, *map(redacted, urls)) for key in (identity.page_key(url), identity.image_key(url))
    }
    return Tombstones(
        keys=frozenset({*keys, *of_urls}),
        domains=frozenset(map(tombstones.domain_hash, map(_domain, domains))),
        sha256=frozenset(sha256),
    )


def _domain(name: str) -> str:
    """Return a domain as hosts of URLs are compared with it, in punycode; ConfigError for anything else."""
    host = "" if re.search(r"[\s/:@?#]", name) else identity.host_of(f"http://{name.removeprefix('*.').strip('.')}/")
    if not host:
        raise ConfigError(f"{name!r} is no domain", where="--domain", remedy="write example.org, or use --url")
    return host


def read_config(dataset: str) -> BuildConfig:
    """Return the configuration of a dataset's build from its run.json, with the input paths of that build."""
    path = storage.join(dataset, RUN)
    if not storage.exists(path):
        made = "an index of foreign tars" if read_manifest(dataset).recipe == layout.FOREIGN else "without run.json"
        remedy = "take the records out where the tars are made, then run loom index again"
        raise InputError(f"is {made}, so no build can leave records out", where=dataset, remedy=remedy)
    run = store_dataset.read_run(dataset)
    if "source" in run:
        raise ConfigError(
            "built from another dataset", where=dataset, remedy=f"loom forget {run['source']} ... updates it too"
        )
    values = run.get("build")
    if values is None:
        raise InputError("does not record the build's configuration", where=path, remedy="build the dataset again")
    recipe = from_json(values.pop("recipe"), where=path)
    columns = arrow.from_plain(PairListConfig, values.pop("columns", {}))
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return BuildConfig(recipe=recipe, out=dataset, fetch=FetchConfig(contact=None), columns=columns, **values)


def concerned(row: Head, stones: Tombstones) -> bool:
    """Return whether these tombstones take down a kept head or one of its images."""
    if row.url and tombstones.is_taken_down(row, stones):
        return True
    return any(stones.has_image(url) for url in row.images)


def check_warcs(config: BuildConfig, *, warc: bool) -> None:
    """Raise ConfigError if WARCs are to be written again and the dataset was built without any."""
    if warc and not config.warcs:
        raise ConfigError(
            "was built without WARCs (--from pages or lists)", where=config.out, remedy="leave out --warc"
        )


def forget(
    dataset: str, stones: Tombstones, reporter: Reporter, *, warc: bool = False, quoted: bool = True
) -> Forgotten:
    """Remove the records that tombstones name from a dataset and from all that it was built from or that was derived.

    Args:
      dataset: Folder of the dataset.
      stones: New tombstones; earlier ones of the image store stay in force.
      reporter: Progress of the build.
      warc: True to write the WARCs again too, without the named records.
      quoted: Whether reports of the dataset may quote the records; they are deleted first. They are deleted in any
        case if the dataset changes.
    """
    from corpusloom.pipelines.datasets import forget_derived  # imports Beam and a detector, which take seconds

    config = read_config(dataset)
    check_warcs(config, warc=warc)
    stones = stones | _images_of(config.store, stones)
    every = tombstones.read(config.store) | stones
    planner = Planner(config)
    extract, inputs = planner.planned_pages()
    select = planner.plan_select(extract)
    whole = select.done and storage.exists(storage.join(dataset, layout.MANIFEST))
    old = _old_shards(planner, select) if whole else None
    affected = _affected(planner, inputs, select, stones) if old else set()
    reports = forget_derived.delete_reports(dataset) if quoted else []
    tombstones.write(config.store, every)  # from here on, the same command continues a take-down that was killed
    gone = purge_store(config.store, every)
    for store in {made.store for made in lineage.read(dataset)} - {"", config.store}:
        remove_outputs(store, gone)
    purge_work(config.work, every)
    purged = tuple(entry.name for entry in inputs if warc and purge_warc(entry.name, config.work, every))
    if purged:  # the purged WARCs have new bytes, so the stages have new fingerprints
        select = planner.plan_select(planner.planned_pages()[0])
    was = read_manifest(dataset) if whole else None
    before = was if old is not None else None
    if old is not None and before is not None:
        _carry_over(planner, old, select, before, affected)
    else:  # the dataset was moved or is unfinished: write all shards again
        _clear(dataset)
        store_dataset.clear(dataset)
    report = build.build(config, reporter)
    assert report.manifest is not None
    written = affected if old else range(report.manifest.shard_count)
    if was is None or was.digest != report.manifest.digest:  # named before, but this dataset still held them
        reports += forget_derived.delete_reports(dataset)
    derived, left = forget_derived.purge(dataset, before)
    return Forgotten(
        shards=tuple(sorted(written)),
        warcs=purged,
        digest=report.manifest.digest,
        derived=(*reports, *derived),
        left=tuple(left),
    )


def _images_of(store: str, stones: Tombstones) -> Tombstones:
    """Return tombstones of the URLs whose image has one of the named sha256."""
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
    """Return the shards of kept records that are taken down, or whose source record is."""
    shards = planner.shard_count(read_report(select))
    gone = named_records(planner.fragments(inputs, "records"), stones)
    return {
        layout.shard_of(row.key, shards)
        for row in decisions(select, "kept")
        if concerned(row, stones) or (row.key, row.parent) in gone
    }


def _clear(dataset: str) -> None:
    """Delete the manifest, which marks the dataset as unfinished, then the other files about the whole dataset."""
    for name in (layout.MANIFEST, *DESCRIPTIONS):
        storage.remove(storage.join(dataset, name))


def _carry_over(planner: Planner, old: Stage, select: Stage, manifest: Manifest, affected: set[int]) -> None:
    """Mark unaffected shards as done in the new stage; delete the affected ones."""
    config = planner.config
    if not select.done:  # the WARCs have new bytes: select again, from the same heads
        build.build(config, Reporter(quiet=True), until="select")
    new = planner.plan_shards(select, wanted_urls(select, config.recipe), manifest.shard_count)
    if new.folder == old.folder and not affected:
        return  # an earlier take-down of the same records was finished
    store_dataset.claim(config.out, new.fingerprint)
    _clear(config.out)
    for index in range(manifest.shard_count):
        if index in affected:
            store_dataset.remove_shard(config.out, index)
        else:
            carry_over(old, new, index)
    if old.folder != new.folder:
        storage.remove(old.folder, recursive=True)
