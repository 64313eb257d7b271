"""`loom build`: builds a dataset from WARCs by the stages of a recipe."""

import dataclasses
import json
from collections.abc import Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar

import tyro

from corpusloom.pipelines.builds.config import BuildConfig, BuildOptions
from corpusloom.pipelines.cli.clip_loader import load_clip
from corpusloom.pipelines.cli.flags import CONTACT, FetchFlags, OutputFlags, check_least, print_json
from corpusloom.pipelines.engine import extras
from corpusloom.pipelines.engine.logs import log
from corpusloom.pipelines.engine.printing import show
from corpusloom.schemas import arrow
from corpusloom.schemas.errors import ConfigError

if TYPE_CHECKING:
    from corpusloom.pipelines.builds.build import Until
    from corpusloom.pipelines.builds.config import BuildReport
    from corpusloom.pipelines.recipes.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class BuildFlags(BuildOptions):
    """Flags of every command that runs stages of a recipe: the options of a build, and those for terminals only."""

    MAIN: ClassVar[str] = (
        "warc list video url-column caption-column from-img2dataset from out work set plan print-config contact json "
        "quiet"
    )
    INPUTS: ClassVar[frozenset[str]] = frozenset({"--warc", "--list", "--from-img2dataset", "--video", "--from"})

    recipe: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RECIPE")]
    """m3w, obelics, mmc4, align, vtp, regions, or the path of a TOML file; `loom list recipes` describes them."""
    out: Annotated[str, tyro.conf.arg(metavar="FOLDER")] = ""
    """Folder of the dataset (local path, s3://, gs://)."""
    from_dataset: Annotated[str | None, tyro.conf.arg(name="from")] = None
    """pages: decide again by the stored scores of an earlier build in --work, without WARCs. For `regions`: the dataset
    of pairs to build from."""
    work: Annotated[str | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Folder of the stages, which builds can share; OUT.work by default."""
    store: Annotated[str | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Folder of the image store, which builds can share; WORK/images by default."""
    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE")] = ()
    """Recipe keys to change: filters.min_side=200 ...; `loom list keys` lists them."""
    split: str | None = None
    """val=SHARE: mark this share of samples as held out; near-duplicates get the same split."""
    verify_hash: Annotated[str | None, tyro.conf.arg(metavar="COLUMN[:TYPE]")] = None
    """Column of a list with the md5, sha256 or sha512 of each image; others are rejected (images.verify_hash)."""
    lanes: int | None = None
    """Event loops that fetch images, each for its own domains; by default one per core (--workers on a cluster)."""
    memory: str | None = None
    """Memory for the decisions over the corpus, such as 12GB; by default all of this machine. More is an error."""
    print_config: bool = False
    """Print the recipe with its changes, and stop."""
    plan: bool = False
    """Print which stages would run or be reused, and stop."""
    dry_run: bool = False
    """Build and check the Beam graph of each stage for the runner, print it, and stop; no input is read, no job run."""
    fetch: FetchFlags = field(default_factory=FetchFlags)
    output: OutputFlags = field(default_factory=OutputFlags)

    def __post_init__(self) -> None:
        """Raise ConfigError for a number out of range."""
        BuildOptions.__post_init__(self)
        check_least("--lanes", self.lanes, 1)

    @staticmethod
    def missing(given: Set[str]) -> dict[str, str]:
        """Return what is missing to run stages: the dataset's folder and an input."""
        if "--print-config" in given:
            return {}
        missing = {} if "--out" in given else {"--out FOLDER": ""}
        if not given & {*BuildFlags.INPUTS, "--dry-run"}:
            inputs = "--warc PATH, --list PATH, --from-img2dataset FOLDER, --from pages"
            inputs += "; for regions --from DATASET, for vtp --video PATH"
            missing[f"an input ({inputs})"] = ""
        return missing

    def with_beam_options(self, options: tuple[str, ...]) -> "BuildFlags":
        """Return the flags with the options after `--`."""
        return dataclasses.replace(self, profile=dataclasses.replace(self.profile, beam_options=options))

    @property
    def lane_count(self) -> int:
        """Return the number of event loops that fetch images."""
        from corpusloom.pipelines.engine.subprocesses import cores

        return self.lanes or (cores() if self.profile.local else max(self.workers, 1))

    @property
    def work_folder(self) -> str:
        """Return the folder of the stages."""
        return self.work or f"{self.out.rstrip('/')}.work"

    @property
    def store_folder(self) -> str:
        """Return the folder of the image store."""
        return self.store or f"{self.work_folder}/images"

    def build_config(self, recipe: "Recipe") -> BuildConfig:
        """Return the configuration of the build."""
        from corpusloom.pipelines.stages.select.memory_estimate import parse_size

        if self.from_dataset not in (None, "pages"):
            raise ConfigError(
                f"{self.recipe} is made from WARCs, not --from a dataset",
                remedy="give --warc, or --from pages with the --work of an earlier build",
            )
        shared = {item.name: getattr(self, item.name) for item in dataclasses.fields(BuildOptions)}
        return BuildConfig(
            **shared,
            recipe=recipe,
            work=self.work_folder,
            store=self.store_folder,
            fetch=self.fetch.fetch_config(self.output.reporter()),
            from_pages=self.from_dataset is not None,
            lanes=self.lane_count,
            memory=parse_size(self.memory) if self.memory else None,
            load_clip=load_clip if recipe.filters.scores is not None else None,
        )

    @property
    def overrides(self) -> tuple[str, ...]:
        """Return the recipe keys to change, including the split and the column of hashes."""
        if self.split is not None and not self.split.startswith("val="):
            raise ConfigError(f"--split is {self.split!r}", where="loom build", remedy="write --split val=0.01")
        split = () if self.split is None else (f"split.{self.split}",)
        verified = () if self.verify_hash is None else (f"images.verify_hash={json.dumps(self.verify_hash)}",)
        return (*self.set, *split, *verified)

    def run_selection(self, command: str) -> int:
        """Run the stages up to the selected records; a recipe of another command's kind is a ConfigError."""
        return self.run_until("select", command=command)

    def run_until(self, until: "Until", *, alone: bool = False, command: str | None = None) -> int:
        """Run the stages up to `until`; with `alone` only that stage, whose inputs must be finished."""
        from corpusloom.pipelines.recipes.keys import to_toml
        from corpusloom.pipelines.recipes.recipe import load_recipe
        from corpusloom.pipelines.stages.kinds.registry import CLIPS, is_derived, kind_of

        recipe = load_recipe(self.recipe, self.overrides)
        if self.print_config:
            show(to_toml(recipe).rstrip(), lines=True)
            return 0
        if self.dry_run:
            return self._show_graphs(recipe)
        if is_derived(recipe):
            if until != "shards" or alone:
                raise ConfigError(
                    f"{recipe.kind} are one stage",
                    where=f"loom {command or until}",
                    remedy=f"use loom build {recipe.name}",
                )
            return self._run_clips(recipe) if recipe.kind == CLIPS else self._run_regions(recipe)
        if self.videos:
            raise ConfigError(f"{recipe.name} is not made from videos", where="--video", remedy="use loom build vtp")
        made = kind_of(recipe).command
        if command is not None and command != made:
            raise ConfigError(f"{recipe.name} makes {made}", where=f"loom {command}", remedy=f"use loom {made}")
        return self._run_stages(recipe, until, alone)

    def _check_profile(self) -> None:
        """Raise ConfigError if an option of the runner is missing or wrong."""
        from corpusloom.pipelines.engine.runners import check_options, check_profile

        check_options(self.profile.beam_options)
        check_profile(self.profile, folders=(self.out, *self.warcs), dry_run=self.dry_run)

    def _show_graphs(self, recipe: "Recipe") -> int:
        from corpusloom.pipelines.builds.dry_run import describe, dry_run

        self._check_profile()
        graphs = dry_run(recipe, self.out, self.profile)
        if self.output.json:
            print_json(graphs)
        else:
            show(describe(graphs), lines=True)
        return 0

    def _run_stages(self, recipe: "Recipe", until: "Until", alone: bool) -> int:
        from corpusloom.pipelines.builds import build
        from corpusloom.pipelines.builds.plan import plan

        self._check_profile()
        config = self.build_config(recipe)
        if self.plan:
            for name, status in plan(config):
                show(f"{name:<8} {status}")
            return 0
        return self._show(build.build(config, self.output.reporter(), until=until, alone=alone), recipe)

    def _show(self, report: "BuildReport", recipe: "Recipe | None" = None) -> int:
        """Print the result of a build as a table or as JSON; NothingKeptError if it kept nothing."""
        from corpusloom.pipelines.builds.config import summarize
        from corpusloom.pipelines.builds.nothing_kept import refuse_nothing
        from corpusloom.pipelines.cli.text_tables import print_build

        summary = summarize(report)
        if self.output.log_format == "json":
            log("finished", **arrow.to_plain(summary))
        if self.output.json:
            print_json({"summary": summary, **arrow.to_plain(report)})
        else:
            print_build(report, summary, self.out)
        if not summary.samples:
            refuse_nothing(summary.stages, self.out, recipe)
        return 0

    def _run_clips(self, recipe: "Recipe") -> int:
        if bool(self.videos) == bool(self.lists):
            raise ConfigError(
                "clips are made from videos",
                where="loom build",
                remedy="give files as --video, or lists of URLs as --list",
            )
        extras.require("video", extras.VIDEO, "loom build vtp")
        from corpusloom.pipelines.builds.derived import clips

        self._check_profile()
        return self._show(clips.build_dataset(self.build_config(recipe), self.output.reporter()), recipe)

    def _run_regions(self, recipe: "Recipe") -> int:
        from corpusloom.pipelines.builds.derived import regions

        if self.from_dataset is None:
            raise ConfigError(
                "regions are made from a dataset of pairs", where="loom build", remedy="name it with --from"
            )
        if not recipe.regions.tsv:
            extras.require("train", extras.DETECTOR, "loom build regions")
        if self.warcs:
            raise ConfigError("regions are made --from a dataset, not from WARCs", remedy="leave out --warc")
        self._check_profile()
        report = regions.build_dataset(
            self.from_dataset,
            self.out,
            self.work_folder,
            self.output.reporter(),
            store=self.store_folder,
            settings=recipe.regions,
            limit=self.limit,
            profile=self.profile,
        )
        return self._show(report)


def fetching(given: Set[str], missing: dict[str, str]) -> dict[str, str]:
    """Return what is missing, with the contact unless nothing can be fetched: no images of WARCs and lists."""
    exempt = {"--contact", "--print-config", "--video", "--plan", "--dry-run", "--from", "--from-img2dataset"}
    return missing if given & exempt else {**missing, **CONTACT}


@dataclass(frozen=True, kw_only=True)
class Command(BuildFlags):
    """Build a dataset from WARCs: every stage of one recipe, resumable.

    Examples:
      loom build m3w --warc 'crawl/*.warc.gz' --out data/m3w --contact https://example.org/bot
      loom build align --warc crawl --out data/align --set filters.min_side=300 --contact me@example.org
      loom build m3w --from pages --work data/m3w.work --out data/m3w-2 --set filters.quality.min_words=30
      loom build regions --from data/align --out data/regions
      loom build vtp --video 'videos/*.mp4' --out data/vtp
    """

    @staticmethod
    def missing(given: Set[str]) -> dict[str, str]:
        """Return what is missing to build a dataset; a contact too, if images may have to be fetched."""
        return fetching(given, BuildFlags.missing(given))

    def run(self) -> int:
        """Run all stages."""
        return self.run_until("shards")
