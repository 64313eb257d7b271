"""The places to look for a record in: those of a dataset, a crawl, a work folder or an image store."""

from typing import Any

from corpusloom.pipelines.builds.finished_stages import finished_stages
from corpusloom.pipelines.datasets.explain.crawl_events import FRONTIER, Crawl
from corpusloom.pipelines.datasets.explain.event import Source
from corpusloom.pipelines.datasets.explain.sample_events import Samples
from corpusloom.pipelines.datasets.explain.store_events import Store
from corpusloom.pipelines.datasets.explain.table_events import Tables
from corpusloom.pipelines.datasets.explain.work_events import Heads, StageTables
from corpusloom.pipelines.engine.printing import show
from corpusloom.pipelines.store.dataset.folder import RUN, read_run
from corpusloom.schemas import layout, storage
from corpusloom.schemas.errors import DamageError, InputError
from corpusloom.schemas.manifest import read_manifest

_NAMED = "name the --out of loom build or loom scrape, or a build's --work or --store"


def sources_of(folder: str) -> list[Source]:
    """Return the sources that a folder stands for; InputError if it is none that corpusloom wrote."""
    if storage.exists(storage.join(folder, layout.MANIFEST)):
        return _of_dataset(folder)
    if storage.is_local(folder) and storage.exists(folder) and not storage.is_folder(folder):
        raise InputError("a file, not a folder", where=folder, remedy=_NAMED)
    found: list[Source] = [*_crawl(folder), *_store(folder)]
    work = next((path for path in (folder, _default_work(folder)) if _has_stages(path)), None)
    if work is not None:  # beside an unfinished dataset lies the work folder of its build
        found += [StageTables(work), *_beside_stages(work), *_store(storage.join(work, "images"))]
    if not found and storage.is_local(folder) and not storage.exists(folder):
        raise InputError("no such folder", where=folder, remedy="check the path")
    if not found:
        raise InputError("is no dataset, crawl, work folder or image store", where=folder, remedy=_NAMED)
    return found


def _of_dataset(dataset: str) -> list[Source]:
    """Return a dataset's own tables, and what the build left: its work folder, its crawl and its image store."""
    manifest = read_manifest(dataset)
    found: list[Source] = [Tables.of_dataset(dataset, manifest), Samples(dataset, manifest)]
    run = _run(dataset)
    if "source" in run:  # regions: their pairs are decided on in another dataset
        source = str(run["source"])
        return found + (_of_dataset(source) if storage.exists(storage.join(source, layout.MANIFEST)) else [])
    build: dict[str, Any] = run.get("build") or {}
    works = [str(build["work"])] if build.get("work") else []
    work = next((path for path in (*works, _default_work(dataset)) if _has_stages(path)), None)
    if work is not None:
        found += _beside_stages(work)
    store = build.get("store") or (work and storage.join(work, "images"))
    return found + (list(_store(str(store))) if store else [])


def _run(dataset: str) -> dict[str, Any]:
    """Return a dataset's run.json; nothing if it is missing, or with a warning if it is damaged.

    The dataset's own tables can be read without it.
    """
    if not storage.exists(storage.join(dataset, RUN)):
        return {}
    try:
        return read_run(dataset)
    except DamageError as error:
        show(f"warning: the crawl and the store of the build are unknown: {error}", err=True)
        return {}


def _default_work(out: str) -> str:
    """Return the work folder of a build into a folder, unless --work named another one."""
    return f"{out.rstrip('/')}.work"


def _has_stages(work: str) -> bool:
    return bool(storage.folders(storage.join(work, "stages")))


def _beside_stages(work: str) -> list[Source]:
    """Return the heads of a work folder, and the crawls that its WARCs are from."""
    inputs = [str(row["name"]) for _, values in finished_stages(work, "extract") for row in values["facts"]["warcs"]]
    folders = sorted({path.rpartition("/")[0] or "." for path in inputs})
    return [Heads(work), *(crawl for folder in folders for crawl in _crawl(folder))]


def _crawl(folder: str) -> list[Source]:
    return [Crawl(folder)] if storage.listing(storage.join(folder, FRONTIER), ".parquet") else []


def _store(folder: str) -> list[Source]:
    held = storage.folders(storage.join(folder, "index")) or storage.exists(storage.join(folder, "tombstones.json"))
    return [Store(folder)] if held else []
