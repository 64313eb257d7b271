"""`loom build`: WARC -> dataset."""

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, Literal

import tyro

from pipelines.commands.common import FetchFlags, OutputFlags, print_json
from schemas.errors import ConfigError

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
    from_dataset: Annotated[str | None, tyro.conf.arg(name="from")] = None
    """pages: decide again from the stored scores of an earlier build in --work, without WARCs. For `regions`: the
    dataset of pairs that it is made from."""
    work: str | None = None
    """Folder of the stages, which builds share; OUT.work when not given."""
    store: str | None = None
    """Folder of the image store, which builds share; WORK/images when not given."""
    set: tuple[str, ...] = ()
    """Recipe keys to change: filters.min_side=200 ..."""
    split: str | None = None
    """val=SHARE: mark this share of samples as held out, by the hash of their near-duplicate root."""
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

    @property
    def overrides(self) -> tuple[str, ...]:
        """Return the recipe keys to change, the split among them."""
        if self.split is None:
            return self.set
        if not self.split.startswith("val="):
            raise ConfigError(f"--split {self.split}", where="loom build", remedy="--split val=0.01")
        return (*self.set, f"split.{self.split}")

    def run_until(self, until: Until) -> int:
        """Run the stages up to `until`."""
        from pipelines.recipes.recipe import load_recipe, to_toml

        recipe = load_recipe(self.recipe, self.overrides)
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

        if self.from_dataset not in (None, "pages"):
            raise ConfigError(f"--from {self.from_dataset}", where="loom build", remedy="pages, or name --warc")
        if self.beam_options:
            check_options(self.beam_options)
        work = self.work or f"{self.out.rstrip('/')}.work"
        config = build.BuildConfig(
            recipe=load_recipe(self.recipe, self.overrides),
            out=self.out,
            work=work,
            store=self.store or f"{work}/images",
            warcs=self.warc,
            from_pages=self.from_dataset is not None,
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
      loom build m3w --from pages --work data/m3w.work --out data/m3w-2 --set filters.quality.min_words=30
      loom build regions --from data/align --out data/regions
    """

    def run(self) -> int:
        """Run all stages."""
        return self.run_until("shards")
