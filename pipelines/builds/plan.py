"""Fingerprints of a build's stages: all that shapes a stage's content is in its name. No stage runs here."""

import dataclasses
import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from corpusloom.pipelines.builds.config import BuildConfig
from corpusloom.pipelines.builds.finished_stages import extracted_inputs
from corpusloom.pipelines.builds.inputs import inputs_of
from corpusloom.pipelines.dedup.evaluation_sets import set_digests
from corpusloom.pipelines.net.refusals import Policy
from corpusloom.pipelines.recipes.measuring import measured_by, read_by
from corpusloom.pipelines.recipes.recipe import Recipe, config_json
from corpusloom.pipelines.stages.extract import input_fragments
from corpusloom.pipelines.stages.kinds.registry import kind_of
from corpusloom.pipelines.stages.select.decisions import wanted_urls
from corpusloom.pipelines.store import tombstones
from corpusloom.pipelines.store.fragments import fragment_names
from corpusloom.pipelines.store.images.blocklists import digest_lists
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.stages import Stage, StageReport, plan_stage, read_report, stage_folders, stem_of
from corpusloom.schemas import identity, layout, storage
from corpusloom.schemas.errors import ConfigError, InputError, LoomError
from corpusloom.schemas.manifest import read_manifest
from corpusloom.schemas.records import FileEntry

EXTRACT_VERSION = 22
SELECT_VERSION = 5
SHARDS_VERSION = 7


@dataclass
class Planner:
    """Plans the stages of one build: the folder of a stage is named after all that shapes its content."""

    config: BuildConfig

    @property
    def recipe(self) -> Recipe:
        """Return the recipe."""
        return self.config.recipe

    @cached_property
    def image_policy(self) -> Policy:
        """Return the settings by which images are refused."""
        return Policy(fetch=self.config.image_fetch, blocklists=digest_lists(self.config.blocklists))

    def read(self) -> dict[str, Any]:
        """Return all settings that shape the records of an input.

        The image store is one of them for folders of img2dataset, since their images are put into it.
        """
        return self._finished[1] if self.config.from_pages else self._read_settings()

    def _read_settings(self) -> dict[str, Any]:
        config = self.config
        read: dict[str, Any] = {"recipe": read_by(self.recipe), "limit": config.limit}
        columns = config.read_columns
        read |= {"columns": dataclasses.asdict(columns)} if config.lists or columns.kept else {}
        read |= {"digests": "checked"} if config.verify_digests else {}
        read |= {"revisits": "across WARCs"} if config.resolve_revisits else {}
        return read | ({"store": config.store} if config.from_img2dataset else {})

    @cached_property
    def _finished(self) -> tuple[list[FileEntry], dict[str, Any]]:
        """Return the inputs and the read settings of the extract stage that `--from pages` uses."""
        return extracted_inputs(self.config.work, EXTRACT_VERSION, self._read_settings())

    def measured(self) -> dict[str, Any]:
        """Return the settings that shape the scores and heads of records.

        If they change, stored records are measured again.
        """
        return measured_by(self.recipe)

    @cached_property
    def warc_folder(self) -> Stage:
        """Return the folder of fragments, shared by all builds with the same read and measure settings.

        Its name ends with a hash of the read settings (16 digits), then a hash of the measure settings (16 digits).
        """
        work, name = self.config.work, input_fragments.FOLDER
        read, measured = (
            plan_stage(work, name, stage_version=EXTRACT_VERSION, inputs=inputs)
            for inputs in (self.read(), self.measured())
        )
        fingerprint = read.fingerprint[:16] + measured.fingerprint[:16]
        folder = storage.join(work, "stages", f"{name}-{fingerprint}")
        return Stage(name=name, folder=folder, fingerprint=fingerprint, depends_on=measured.depends_on)

    def earlier_folders(self) -> tuple[str, ...]:
        """Return the folders of fragments with the same read settings and other measure settings."""
        own, name = self.warc_folder, input_fragments.FOLDER
        alike = f"{name}-{own.fingerprint[:16]}"
        found = stage_folders(self.config.work, name)
        return tuple(path for path in found if path.rpartition("/")[2].startswith(alike) and path != own.folder)

    def plan_extract(self, inputs: list[FileEntry]) -> Stage:
        """Return the extract stage, which depends on the inputs and the read and measure settings, not thresholds."""
        return plan_stage(
            self.config.work,
            "extract",
            stage_version=EXTRACT_VERSION,
            inputs={
                "warcs": [entry.sha256 for entry in inputs],
                "read": self.read(),
                "measured": self.measured(),
            },
        )

    def planned_pages(self) -> tuple[Stage, list[FileEntry]]:
        """Return the extract stage and its inputs."""
        if self.config.from_pages:
            return self.finished_pages()
        config = self.config
        inputs = inputs_of(
            self.recipe,
            warcs=config.warcs,
            lists=config.lists,
            folders=config.from_img2dataset,
            columns=config.read_columns,
        )
        return self.plan_extract(inputs), inputs

    def finished_pages(self) -> tuple[Stage, list[FileEntry]]:
        """Return the extract stage over the inputs of a finished extract stage with the same read settings.

        If the measure settings differ, the returned stage is not finished: its stored records are measured again.
        """
        config = self.config
        if config.warcs or config.lists or config.from_img2dataset:
            raise ConfigError("both inputs and --from pages are given", where="loom build", remedy="give one of them")
        inputs = self._finished[0]
        return self.plan_extract(inputs), inputs

    def unit_hashes(self, inputs: list[FileEntry]) -> list[str]:
        """Return one hash per input, over all files that shape its fragments: every input with `resolve_revisits`."""
        own = [entry.sha256 for entry in inputs]
        if not self.config.resolve_revisits:
            return own
        every = "".join(sorted(own))
        return [hashlib.sha256(f"{sha256}{every}".encode()).hexdigest() for sha256 in own]

    def fragments(self, inputs: list[FileEntry], kind: str) -> list[str]:
        """Return the paths of these inputs' fragments of one kind.

        Names are derived, not listed, so an object store's eventual consistency cannot hide a fragment.
        """
        folder = self.warc_folder
        stems = [stem_of(sha256) for sha256 in self.unit_hashes(inputs)]
        names = [name for stem in stems for name in _names_of(folder, stem, kind)]
        return [folder.path(kind, name) for name in sorted(set(names))]

    def reports(self, inputs: list[FileEntry]) -> tuple[set[str], set[str]]:
        """Return the names of the reports of these inputs: those that are listed as written, and the others."""
        listed, names = set(storage.listing(self.warc_folder.path("done"))), set(self.report_names(inputs))
        return names & listed, names - listed

    def report_names(self, inputs: list[FileEntry]) -> list[str]:
        """Return the name of each input's report."""
        return [f"{stem_of(sha256)}.json" for sha256 in self.unit_hashes(inputs)]

    def finished(self, inputs: list[FileEntry]) -> int:
        """Return the number of these inputs that are listed as extracted."""
        return len(self.reports(inputs)[0])

    def is_extracted(self, extract: Stage, inputs: list[FileEntry]) -> bool:
        """Return whether the extract stage is finished and no input's fragments were deleted or renamed since.

        An object store may list files late, so a report that the listing lacks is asked for by its name.
        """
        if not extract.done:
            return False
        _, unlisted = self.reports(inputs)
        return all(storage.exists(self.warc_folder.path("done", name)) for name in sorted(unlisted))

    def plan_select(self, extract: Stage) -> Stage:
        """Return the select stage, which depends on the extract stage and on the select steps."""
        steps = [
            dataclasses.asdict(step) | {"step": type(step).__name__} for step in kind_of(self.recipe).steps(self.recipe)
        ]
        return plan_stage(
            self.config.work,
            "select",
            stage_version=SELECT_VERSION,
            inputs={
                "extract": extract.fingerprint,
                "steps": [{**step, "label": None} for step in steps],
            },
        )

    def shard_count(self, selected: StageReport) -> int:
        """Return the configured number of shards, or the default for the number of selected records."""
        selected_records = sum(row.kept for row in selected.counts)
        return layout.check_shards(self.config.shards or layout.default_shards(selected_records))

    def plan_shards(self, select: Stage, urls: list[str], shards: int) -> Stage:
        """Return the shards stage, which depends on the select stage and on the images' outcomes in the store."""
        keys = [identity.image_key(url) for url in urls]
        return plan_stage(
            self.config.work,
            "shards",
            stage_version=SHARDS_VERSION,
            inputs={
                "select": select.fingerprint,
                "images": ImageStore(self.config.store).index().digest(keys),
                "config": config_json(self.recipe),
                "evaluation_sets": set_digests(self.recipe.dedup.decontaminate),
                "shards": shards,
                "tombstones": tombstones.read(self.config.store).digest(),
                "out": hashlib.sha256(self.config.out.encode()).hexdigest(),
                **({"scores": dict(self.config.score_models)} if self.config.score_models else {}),
            },
        )


def _names_of(folder: Stage, stem: str, kind: str) -> list[str]:
    """Return the names of the fragments of one kind of one input."""
    if kind not in ("records", "candidates"):
        name = f"{stem}.parquet"  # notes on images are written only for inputs that have images
        return [name] if kind != "images" or storage.exists(folder.path(kind, name)) else []
    report = folder.path("done", f"{stem}.json")
    return fragment_names(stem, input_fragments.counts_in(report))


def is_whole(dataset: str, digest: str) -> bool:
    """Return whether a dataset's manifest can be read and has this digest."""
    try:
        return read_manifest(dataset).digest == digest
    except LoomError:
        return False


def plan(config: BuildConfig) -> list[tuple[str, str]]:
    """Return each stage's name with its status: "reused", or why it runs."""
    planner = Planner(config.identified())
    return statuses(planner, *planner.planned_pages())


def statuses(planner: Planner, extract: Stage, inputs: list[FileEntry]) -> list[tuple[str, str]]:
    """Return each stage's name with its status, given the extract stage and its inputs."""
    config, select = planner.config, planner.plan_select(extract)
    new = len(inputs) - planner.finished(inputs)
    again = "duplicates and counts are decided over the whole corpus"
    rows = [
        ("extract", "reused" if extract.done and not new else f"runs: {new} of {len(inputs)} WARCs are new"),
        ("select", "reused" if select.done else f"runs: no decisions on these inputs and rules; {again}"),
    ]
    if not select.done:
        return [*rows, ("images", "known once select has run"), ("shards", "known once images has run")]
    urls = wanted_urls(select, config.recipe)
    index = ImageStore(config.store).index().under(planner.image_policy)
    missing = sum(key not in index for key in {identity.image_key(url) for url in urls})
    rows.append(("images", f"fetches {missing} of {len(urls)} URLs" if missing else "reused"))
    if missing:
        return [*rows, ("shards", "known once images has run")]
    shards = planner.plan_shards(select, urls, planner.shard_count(read_report(select)))
    whole = shards.done and is_whole(config.out, read_report(shards).facts["digest"])
    return [*rows, ("shards", "reused" if whole else "runs: no finished dataset of these inputs")]


def check_finished(planner: Planner, extract: Stage, inputs: list[FileEntry]) -> None:
    """Raise InputError unless every stage before the shards stage is finished, so that no image is fetched."""
    for name, status in statuses(planner, extract, inputs)[:-1]:
        if status != "reused":
            raise InputError(
                f"stage {name} is not finished: {status}",
                where=planner.config.work,
                remedy="run loom images first, or loom build",
            )
