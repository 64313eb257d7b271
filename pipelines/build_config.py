"""What a build is asked for and what it says when it is done."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

from pipelines.net.config import FetchConfig
from pipelines.recipes.recipe import Recipe
from pipelines.runners import Profile
from pipelines.store.lists import ListConfig
from schemas.manifest import Manifest
from schemas.records import StageCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildConfig:
    """One build: a recipe, its inputs and where everything goes."""

    recipe: Recipe
    out: str
    """Folder of the dataset."""
    work: str
    """Folder of the stages, shared by builds."""
    store: str
    """Folder of the image store, shared by builds."""
    warcs: tuple[str, ...]
    """Paths, folders or globs of WARC files."""
    from_pages: bool = False
    """Decide again from the pages of an earlier build in `work`; no WARC is read."""
    fetch: FetchConfig
    lists: tuple[str, ...] = ()
    """Lists of image URLs and texts, in place of WARCs."""
    columns: ListConfig = dataclasses.field(default_factory=ListConfig)
    from_img2dataset: tuple[str, ...] = ()
    """Folders that img2dataset wrote, in place of WARCs."""
    shards: int | None = None
    workers: int = 2
    lanes: int = 1
    blocklists: tuple[str, ...] = ()
    """KIND=PATH of what must never be stored."""
    fetcher: Literal["own", "img2dataset"] = "own"
    memory: int | None = None
    """Bytes that deciding over the corpus may take on this machine; what it has when None."""
    limit: int | None = None
    profile: Profile = dataclasses.field(default_factory=Profile)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildReport:
    """What a build did."""

    manifest: Manifest | None
    """None when the build was asked to stop before its shards."""
    reused: tuple[str, ...]
    """Stages that were finished before."""
    seconds: dict[str, float]
    counts: tuple[StageCounts, ...] = ()
    """Of the stages up to where it stopped, when there is no manifest to tell."""
