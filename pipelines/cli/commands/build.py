"""`loom build`: builds a dataset from WARCs by the stages of a recipe."""

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from corpusloom.pipelines.cli.flags import FetchFlags, OutputFlags, check_least, print_json
from corpusloom.pipelines.engine.logs import log
from corpusloom.schemas import arrow
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.layout import check_shards

if TYPE_CHECKING:
    from corpusloom.pipelines.builds.build import Until
    from corpusloom.pipelines.builds.config import BuildReport
    from corpusloom.pipelines.engine.runners import Profile
    from corpusloom.pipelines.recipes.recipe import Recipe
    from corpusloom.pipelines.store.list_rows import ListConfig


@dataclass(frozen=True, kw_only=True)
class BuildFlags:
    """Flags of every command that runs stages of a recipe."""

    recipe: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RECIPE")]
    """m3w, obelics, mmc4, align, regions, or the path of a TOML file."""
    out: str
    """Folder of the dataset (local path, s3://, gs://)."""
    warc: tuple[str, ...] = ()
    """WARC files, folders or quoted globs."""
    verify_digests: bool = False
    """Check the digests of WARC records; a record with a wrong digest becomes a dead row of the ledger."""
    resolve_revisits: bool = False
    """Resolve revisit records that refer to other WARCs of this build; if the set changes, all WARCs are read again."""
    list: tuple[str, ...] = ()
    """Lists of image URLs (.parquet, .csv, .tsv, .jsonl, .txt) in place of WARCs."""
    url_column: str = "url"
    """Column of URLs in the lists."""
    caption_column: str | None = None
    """Column of texts in the lists; required to build pairs from them."""
    from_img2dataset: tuple[str, ...] = ()
    """Folders that img2dataset wrote (files, webdataset or parquet); their images are used instead of fetching."""
    blocklist: tuple[str, ...] = ()
    """KIND=PATH of a list of images that are never stored, one per line: sha256, md5, phash:DISTANCE, url, domain."""
    fetcher: Literal["own", "img2dataset"] = "own"
    """Program that fetches images. img2dataset has no address policy and no caps: use it only for lists you trust."""
    from_dataset: Annotated[str | None, tyro.conf.arg(name="from")] = None
    """"pages": decide again by the stored scores of an earlier build in --work, without WARCs. For `regions`: the
    dataset of pairs to build from."""
    work: str | None = None
    """Folder of the stages, which builds can share; OUT.work if not given."""
    store: str | None = None
    """Folder of the image store, which builds can share; WORK/images if not given."""
    set: tuple[str, ...] = ()
    """Recipe keys to change: filters.min_side=200 ..."""
    split: str | None = None
    """val=SHARE: mark this share of samples as held out; near-duplicates get the same split."""
    shards: int | None = None
    """Shards of the dataset, a power of two; if not given, the smallest with at most 10,000 records per shard."""
    workers: int = 2
    """Processes that parse pages."""
    lanes: int | None = None
    """Processes that fetch images, each for its own domains; if not given, one per core (--workers on a cluster)."""
    limit: int | None = None
    """Pages per WARC, at most."""
    memory: str | None = None
    """Memory for the decisions over the corpus (12GB); if not given, all of this machine. A larger need is an error."""
    passes: int = 1
    """Passes over the keys for the decisions over the corpus; N passes need 1/N of the scratch disk and memory."""
    runner: Literal["local", "dataflow", "portable"] = "local"
    """Runner of the pipelines. Dask is not offered: Beam's DaskRunner silently loses branches and tagged outputs."""
    print_config: bool = False
    """Print the recipe with its changes, and stop."""
    plan: bool = False
    """Print which stages would run or be reused, and stop."""
    dry_run: bool = False
    """Build and check the Beam graph of each stage for the runner, print it, and stop; no input is read, no job run."""
    beam_options: tyro.conf.Suppress[tuple[str, ...]] = ()
    fetch: FetchFlags = field(default_factory=FetchFlags)
    output: OutputFlags = field(default_factory=OutputFlags)

    def with_beam_options(self, options: tuple[str, ...]) -> "BuildFlags":
        """Return the flags with the options after `--`."""
        return dataclasses.replace(self, beam_options=options)

    def list_config(self) -> "ListConfig":
        """Return the columns of lists that are read."""
        from corpusloom.pipelines.store.list_rows import ListConfig

        return ListConfig(url_column=self.url_column, caption_column=self.caption_column)

    def lane_count(self) -> int:
        """Return the number of lanes that fetch images."""
        from corpusloom.pipelines.engine.subprocesses import cores

        return self.lanes or (cores() if self.runner == "local" else max(self.workers, 1))

    @property
    def overrides(self) -> tuple[str, ...]:
        """Return the recipe keys to change, including the split."""
        if self.split is None:
            return self.set
        if not self.split.startswith("val="):
            raise ConfigError(f"--split is {self.split!r}", where="loom build", remedy="write --split val=0.01")
        return (*self.set, f"split.{self.split}")

    def run_selection(self, command: str) -> int:
        """Run the stages up to the selected records; a recipe of another command's kind is a ConfigError."""
        return self.run_until("select", command=command)

    def run_until(self, until: "Until", *, alone: bool = False, command: str | None = None) -> int:
        """Run the stages up to `until`; with `alone` only that stage, whose inputs must be finished."""
        from corpusloom.pipelines.recipes.keys import to_toml
        from corpusloom.pipelines.recipes.recipe import load_recipe
        from corpusloom.pipelines.stages.kinds.registry import is_derived, kind_of

        self._check()
        recipe = load_recipe(self.recipe, self.overrides)
        if self.print_config:
            print(to_toml(recipe), end="")
            return 0
        if self.dry_run:
            return self._show_graphs(recipe)
        if is_derived(recipe):
            if until != "shards" or alone:
                raise ConfigError(
                    "regions are one stage", where=f"loom {command or until}", remedy="use loom build regions"
                )
            return self._run_regions()
        made = kind_of(recipe).command
        if command is not None and command != made:
            raise ConfigError(f"{recipe.name} makes {made}", where=f"loom {command}", remedy=f"use loom {made}")
        return self._run_stages(recipe, until, alone)

    def _profile(self) -> "Profile":
        from corpusloom.pipelines.engine.runners import Profile, check_options, check_profile

        if self.beam_options:
            check_options(self.beam_options)
        profile = Profile(runner=self.runner, beam_options=self.beam_options)
        check_profile(profile, folders=(self.out, *self.warc), dry_run=self.dry_run)
        return profile

    def _show_graphs(self, recipe: "Recipe") -> int:
        from corpusloom.pipelines.builds.dry_run import dry_run, show

        graphs = dry_run(recipe, self.out, self._profile())
        if self.output.json:
            print_json(graphs)
        else:
            print(show(graphs))
        return 0

    def _check(self) -> None:
        """Raise ConfigError for numbers out of range, before anything runs."""
        check_least("--limit", self.limit, 1)
        check_least("--workers", self.workers, 0)
        check_least("--lanes", self.lanes, 1)
        check_least("--passes", self.passes, 1)
        if self.shards is not None:
            check_shards(self.shards)

    def _run_stages(self, recipe: "Recipe", until: "Until", alone: bool) -> int:
        from corpusloom.pipelines.builds import build
        from corpusloom.pipelines.builds.config import BuildConfig
        from corpusloom.pipelines.builds.plan import plan
        from corpusloom.pipelines.stages.select.memory_estimate import parse_size

        if self.from_dataset not in (None, "pages"):
            raise ConfigError(
                f"{self.recipe} is made from WARCs, not --from a dataset",
                remedy="give --warc, or --from pages with the --work of an earlier build",
            )
        work = self.work or f"{self.out.rstrip('/')}.work"
        config = BuildConfig(
            recipe=recipe,
            out=self.out,
            work=work,
            store=self.store or f"{work}/images",
            warcs=self.warc,
            from_pages=self.from_dataset is not None,
            verify_digests=self.verify_digests,
            resolve_revisits=self.resolve_revisits,
            lists=self.list,
            columns=self.list_config(),
            from_img2dataset=self.from_img2dataset,
            blocklists=self.blocklist,
            fetcher=self.fetcher,
            fetch=self.fetch.fetch_config(self.output.reporter()),
            shards=self.shards,
            workers=self.workers,
            lanes=self.lane_count(),
            limit=self.limit,
            passes=self.passes,
            memory=parse_size(self.memory) if self.memory else None,
            profile=self._profile(),
        )
        if self.plan:
            for name, status in plan(config):
                print(f"{name:<8} {status}")
            return 0
        report = build.build(config, self.output.reporter(), until=until, alone=alone)
        return self._show(report)

    def _show(self, report: "BuildReport") -> int:
        """Print the result of a build as a table or as JSON."""
        from corpusloom.pipelines.builds.config import summarize
        from corpusloom.pipelines.cli.text_tables import print_build

        summary = summarize(report)
        if self.output.log_format == "json":
            log("finished", **arrow.to_plain(summary))
        if self.output.json:
            print_json({"summary": summary, **arrow.to_plain(report)})
        else:
            print_build(report, summary, self.out)
        return 0

    def _run_regions(self) -> int:
        from corpusloom.pipelines.builds import regions

        if self.from_dataset is None:
            raise ConfigError(
                "regions are made from a dataset of pairs", where="loom build", remedy="name it with --from"
            )
        if self.warc:
            raise ConfigError("regions are made --from a dataset, not from WARCs", remedy="leave out --warc")
        work = self.work or f"{self.out.rstrip('/')}.work"
        report = regions.build_dataset(
            self.from_dataset, self.out, work, self.output.reporter(), limit=self.limit, profile=self._profile()
        )
        return self._show(report)


@dataclass(frozen=True, kw_only=True)
class Command(BuildFlags):
    """Build a dataset from WARCs: every stage of one recipe, resumable.

    Examples:
      loom build m3w --warc 'crawl/*.warc.gz' --out data/m3w --contact https://example.org/bot
      loom build align --warc crawl --out data/align --set filters.min_side=300 --contact me@example.org
      loom build m3w --from pages --work data/m3w.work --out data/m3w-2 --set filters.quality.min_words=30
      loom build regions --from data/align --out data/regions
    """

    def run(self) -> int:
        """Run all stages."""
        return self.run_until("shards")
