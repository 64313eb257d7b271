"""`loom images`: runs the stages of a recipe up to its images, or works on an image store."""

from collections.abc import Set
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import tyro

from corpusloom.pipelines.cli.commands.build import BuildFlags, fetching
from corpusloom.pipelines.cli.flags import print_json
from corpusloom.schemas.errors import ConfigError, InputError


@dataclass(frozen=True, kw_only=True)
class Command(BuildFlags):
    """Run the stages of a recipe up to its images, or work on an image store without a recipe.

    Examples:
      loom images m3w --warc 'crawl/*.warc.gz' --out data/m3w --contact https://example.org/bot
      loom images --store images --list urls.parquet --url-column URL --contact https://example.org/bot
      loom images --store images --retry dead --contact https://example.org/bot
      loom images --store images --recheck
      loom images --store images --reindex
    """

    MAIN: ClassVar[str] = "warc list url-column out store set contact retry refetch recheck reindex sweep plan json"

    recipe: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RECIPE")] = ""
    """Recipe whose images are fetched; leave it out to work on a store."""
    retry: Literal["dead"] | None = None
    """Fetch URLs with a transient error or a withdrawn outcome again, into a new generation of the store's index."""
    refetch: bool = False
    """Revalidate every image of the store by ETag and Last-Modified, into a new generation of its index."""
    recheck: bool = False
    """Withdraw outcomes that an empty body or a part of one decided, as earlier versions stored them. The next build
    takes these images from its WARCs or fetches them; --retry dead fetches them at once."""
    reindex: bool = False
    """Rebuild the store's index from its packs, if parts of it are damaged, truncated or missing."""
    sweep: bool = False
    """Remove packs that the index does not list, and leftovers of killed runs. Nothing else may write to the store."""

    @staticmethod
    def missing(given: Set[str]) -> dict[str, str]:
        """Return what is missing: the contact if something is fetched."""
        local = {"--recheck", "--reindex", "--sweep"} & given and not {"--list", "--retry", "--refetch"} & given
        place = {} if given & {"--out", "--store", "--print-config"} else {"RECIPE --out FOLDER or --store FOLDER": ""}
        return place if local else fetching(given, place)

    def run(self) -> int:
        """Run the stages up to images, or work on the store."""
        if self.recipe:
            if self.retry or self.refetch or self.recheck or self.reindex or self.sweep:
                raise ConfigError("works on a store, not on a recipe",
                                  where="--retry, --refetch, --recheck, --reindex, --sweep",
                                  remedy="leave the recipe out and name the --store")  # fmt: skip
            if not self.out and not self.print_config:
                raise ConfigError("a recipe needs --out", where="loom images", remedy="name the dataset's folder")
            return self.run_until("images")
        return self._run_on_store()

    def _run_on_store(self) -> int:
        from corpusloom.pipelines.builds.nothing_kept import refuse_nothing
        from corpusloom.pipelines.stages.fetch import from_lists
        from corpusloom.pipelines.stages.fetch.lanes import ImagesConfig
        from corpusloom.pipelines.store.images import recheck, recovery
        from corpusloom.pipelines.store.images.store import ImageStore, is_store

        if self.store is None:
            raise ConfigError("name a recipe or a --store", where="loom images", remedy="see loom images --help")
        if not (self.reindex or self.recheck or self.sweep or self.retry or self.refetch or self.lists):
            raise ConfigError(
                "nothing to do",
                where="loom images",
                remedy="add --list, --retry dead, --refetch, --recheck, --reindex or --sweep",
            )
        if not (self.lists or is_store(self.store)):
            raise InputError("holds no image store", where=self.store, remedy="check the path; --list makes a store")
        store, done = ImageStore(self.store), dict[str, Any]()
        if not self.lists and not store.exists():
            raise InputError("holds no image store", where=self.store, remedy="name the --store of a build")
        if self.reindex:
            done["reindex"] = recovery.reindex(store)
        if self.recheck:
            done["recheck"] = recheck.recheck(store, self.workers)
        if self.sweep:
            done["sweep"] = recovery.sweep(store)
        config = ImagesConfig(
            store=self.store,
            fetch=self.fetch.fetch_config(self.output.reporter()),
            lanes=self.lane_count,
            local=self.profile.local,
            workers=self.workers,
            blocklists=self.blocklists,
            fetcher=self.fetcher,
        )
        if self.lists:
            done["list"] = from_lists.fetch_lists(
                self.lists, self.columns, config, self.output.reporter(), self.profile
            )
        if self.retry:
            done["retry"] = from_lists.retry_dead(config, self.output.reporter(), self.profile)
        if self.refetch:
            done["refetch"] = from_lists.refetch(config, self.output.reporter(), self.profile)
        print_json(done)
        if self.lists:
            refuse_nothing((done["list"].counts(),), self.store)
        return 0
