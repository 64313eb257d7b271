"""`loom build`: WARC -> dataset."""

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from pipelines.commands.common import FetchFlags, OutputFlags, print_json
from schemas.errors import ConfigError

if TYPE_CHECKING:
    from pipelines.store.lists import ListConfig

Until = Literal["pages", "images", "shards"]


@dataclass(frozen=True, kw_only=True)
class BuildFlags:
    """What every command that runs stages of a recipe takes."""

    recipe: Annotated[str, tyro.conf.Positional]
    """m3w, obelics, mmc4, align, regions, or the path of a TOML file."""
    out: str
    """Folder of the dataset (local path, s3://, gs://)."""
    warc: tuple[str, ...] = ()
    """WARC files, folders or quoted globs."""
    list: tuple[str, ...] = ()
    """Lists of image URLs (.parquet, .csv, .tsv, .jsonl, .txt) in place of WARCs."""
    url_column: str = "url"
    """The lists' column of URLs."""
    caption_column: str | None = None
    """The lists' column of texts; needed where pairs are made of them."""
    from_img2dataset: tuple[str, ...] = ()
    """Folders that img2dataset wrote (files, webdataset or parquet): their images are taken, not fetched again."""
    blocklist: tuple[str, ...] = ()
    """KIND=PATH of what must never be stored, an entry a line: sha256, md5, phash:DISTANCE, url, domain."""
    fetcher: Literal["own", "img2dataset"] = "own"
    """img2dataset fetches without our address policy and caps: on lists that you trust alone."""
    from_dataset: Annotated[str | None, tyro.conf.arg(name="from")] = None
    """The dataset of pairs that `regions` is made from."""
    work: str | None = None
    """Folder of the stages, which builds share; OUT.work when not given."""
    store: str | None = None
    """Folder of the image store, which builds share; WORK/images when not given."""
    set: tuple[str, ...] = ()
    """Recipe keys to change: filters.min_side=200 ..."""
    shards: int | None = None
    """Shards of the dataset, a power of two; the smallest with at most 10,000 candidates a shard when not given."""
    workers: int = 2
    """Processes that parse pages."""
    limit: int | None = None
    """At most so many pages a WARC."""
    runner: Literal["local", "dataflow", "portable"] = "local"
    """Where the pipelines run."""
    print_config: bool = False
    """Print the recipe with its changes, and stop."""
    plan: bool = False
    """Print which stages would run or be reused, and stop."""
    beam_options: tyro.conf.Suppress[tuple[str, ...]] = ()
    fetch: FetchFlags = field(default_factory=FetchFlags)
    output: OutputFlags = field(default_factory=OutputFlags)

    def with_beam_options(self, options: tuple[str, ...]) -> "BuildFlags":
        """Return the flags with the options after `--`."""
        return dataclasses.replace(self, beam_options=options)

    def list_config(self) -> "ListConfig":
        """Return which columns of lists are read."""
        from pipelines.store.lists import ListConfig

        return ListConfig(url_column=self.url_column, caption_column=self.caption_column)

    def run_until(self, until: Until) -> int:
        """Run the stages up to `until`."""
        from pipelines.recipes.recipe import load_recipe, to_toml

        recipe = load_recipe(self.recipe, self.set)
        if self.print_config:
            print(to_toml(recipe), end="")
            return 0
        if recipe.kind == "regions":
            return self._run_regions()
        return self._run_stages(until)

    def _run_stages(self, until: Until) -> int:
        from pipelines import build
        from pipelines.commands.tables import print_build
        from pipelines.recipes.recipe import load_recipe
        from pipelines.runners import Profile, check_options

        if self.beam_options:
            check_options(self.beam_options)
        work = self.work or f"{self.out.rstrip('/')}.work"
        config = build.BuildConfig(
            recipe=load_recipe(self.recipe, self.set),
            out=self.out,
            work=work,
            store=self.store or f"{work}/images",
            warcs=self.warc,
            lists=self.list,
            columns=self.list_config(),
            from_img2dataset=self.from_img2dataset,
            blocklists=self.blocklist,
            fetcher=self.fetcher,
            fetch=self.fetch.fetch_config(),
            shards=self.shards,
            workers=self.workers,
            limit=self.limit,
            profile=Profile(runner=self.runner, beam_options=self.beam_options),
        )
        if self.plan:
            for name, status in build.plan(config):
                print(f"{name:<8} {status}")
            return 0
        report = build.build(config, self.output.reporter(), until=until)
        if self.output.json:
            print_json(report)
        else:
            print_build(report, self.out)
        return 0

    def _run_regions(self) -> int:
        from pipelines import regions
        from pipelines.commands.tables import print_build

        if self.from_dataset is None:
            raise ConfigError(
                "regions are made from a dataset of pairs", where="loom build", remedy="name it with --from"
            )
        work = self.work or f"{self.out.rstrip('/')}.work"
        report = regions.build_dataset(self.from_dataset, self.out, work, self.output.reporter(), limit=self.limit)
        if self.output.json:
            print_json(report)
        else:
            print_build(report, self.out)
        return 0


@dataclass(frozen=True, kw_only=True)
class Command(BuildFlags):
    """Build a dataset from WARCs: every stage of one recipe, resumable.

    Examples:
      loom build m3w --warc 'crawl/*.warc.gz' --out data/m3w --contact https://example.org/bot
      loom build align --warc crawl --out data/align --set filters.min_side=300 --contact me@example.org
      loom build regions --from data/align --out data/regions
    """

    def run(self) -> int:
        """Run all stages."""
        return self.run_until("shards")
