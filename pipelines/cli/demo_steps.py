"""The steps of the demo: each calls what a user's command would call, and is skipped when it was finished before."""

import io
import json
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from rich.table import Table

from corpusloom.pipelines.builds import build, regions
from corpusloom.pipelines.builds.config import BuildConfig, BuildReport
from corpusloom.pipelines.cli.commands.train import require_torch
from corpusloom.pipelines.cli.text_tables import counts_table, table_console
from corpusloom.pipelines.datasets.stats.report import write_report
from corpusloom.pipelines.datasets.stats.summary import summarise
from corpusloom.pipelines.demo import drawing, grammar
from corpusloom.pipelines.demo.server import Canary, WebServer, serve
from corpusloom.pipelines.demo.sites import build_world
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.pipelines.stages.scrape import ScrapeReport, scrape
from corpusloom.pipelines.stages.scrape_lane import ScrapeConfig
from corpusloom.schemas import storage
from corpusloom.schemas.errors import LoomError

CONTACT = "https://corpusloom.example/demo"
QUICK_PAGES = 5
QUICK_STEPS = 12
CHANCE_FACTORS = {"clip": 10.0, "vilbert": 5.0}
RIGHT_IMAGE_SHARE = 2 / 3


@dataclass(frozen=True)
class Gate:
    """One figure of a model with what it must reach."""

    name: str
    value: float
    low: float
    high: float
    chance: float
    wanted: float | None

    @property
    def met(self) -> bool:
        """Say whether the figure reaches what is wanted."""
        return self.wanted is None or self.value >= self.wanted


@dataclass
class DemoResult:
    """What the demo shows at its end."""

    out: str
    scraped: ScrapeReport
    builds: dict[str, BuildReport]
    gates: list[Gate]
    losses: dict[str, tuple[int, float, float]]
    """Model -> steps, last loss, seconds of training."""
    seconds: dict[str, float]
    canary: int
    """Connections to the address that must never be reached."""
    reports: list[str] = field(default_factory=list)
    port: int = 0
    """Of the bundled web: part of its URLs."""

    @property
    def gates_met(self) -> bool:
        """Say whether every gate was met and nobody reached the canary."""
        return self.canary == 0 and all(gate.met for gate in self.gates)

    def to_plain(self) -> dict[str, Any]:
        """Return the result for --json."""
        return {
            "datasets": {name: report.manifest.samples for name, report in self.builds.items() if report.manifest},
            "digests": {name: report.manifest.digest for name, report in self.builds.items() if report.manifest},
            "gates": [vars(gate) | {"met": gate.met} for gate in self.gates],
            "losses": {name: {"steps": s, "loss": loss, "seconds": t} for name, (s, loss, t) in self.losses.items()},
            "seconds": {name: round(value, 2) for name, value in self.seconds.items()},
            "canary_connections": self.canary,
            "gates_met": self.gates_met,
        }

    def print(self) -> None:
        """Print the tables."""
        console = table_console()
        console.print(counts_table(self.scraped.counts, "scrape"))
        for name in ("m3w", "align"):
            manifest = self.builds[name].manifest
            if manifest is not None:
                console.print()
                console.print(counts_table(manifest.counts, f"build {name}"))
        console.print()
        console.print(self._datasets())
        console.print()
        console.print(self._models())
        console.print()
        total = sum(self.seconds.values())
        slowest = sorted(self.seconds.items(), key=lambda item: -item[1])[:6]
        console.print(f"{total:.0f} s in all: " + ", ".join(f"{name} {value:.0f}" for name, value in slowest))
        console.print(f"connections to the forbidden address: {self.canary}")
        console.print(f"reports: {', '.join(self.reports)}")
        console.print(
            f"next: loom why {self.out}/datasets/m3w http://attic.localhost:{self.port}/noai.html\n"
            f"      loom verify {self.out}/datasets/align --deep\n"
            f"      loom stats {self.out}/datasets/m3w"
        )

    def _datasets(self) -> Table:
        table = Table(title="datasets", title_justify="left", box=None, pad_edge=False)
        for column in ("dataset", "samples", "shards", "MB", "digest"):
            table.add_column(column, justify="right" if column in ("samples", "shards", "MB") else "left")
        for name, report in self.builds.items():
            if report.manifest is not None:
                size = sum(shard.tar.bytes for shard in report.manifest.shards) / 1e6
                row = (f"{report.manifest.samples:,}", str(len(report.manifest.shards)), f"{size:.1f}")
                table.add_row(name, *row, report.manifest.digest[:16])
        return table

    def _models(self) -> Table:
        table = Table(title="models, on images that they never saw", title_justify="left", box=None, pad_edge=False)
        for column in ("evaluation", "figure", "95 % interval", "chance", "wanted", "steps", "loss", "seconds"):
            table.add_column(column, justify="left" if column == "evaluation" else "right")
        for gate in self.gates:
            steps, loss, seconds = self.losses.get(gate.name.split()[0], (0, 0.0, 0.0))
            wanted = "" if gate.wanted is None else f"{gate.wanted:.3f} {'met' if gate.met else 'NOT MET'}"
            interval = f"{gate.low:.3f} .. {gate.high:.3f}"
            training = (str(steps), f"{loss:.3f}", f"{seconds:.0f}") if steps else ("", "", "")
            table.add_row(gate.name, f"{gate.value:.3f}", interval, f"{gate.chance:.4f}", wanted, *training)
        return table


@dataclass
class Demo:
    """The demo in one folder."""

    out: str
    reporter: Reporter
    quick: bool
    port: int
    seconds: dict[str, float] = field(default_factory=dict)

    def path(self, *parts: str) -> str:
        """Return the path of something inside the folder."""
        return storage.join(self.out, *parts)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step."""
        start = time.monotonic()
        self.reporter.note(f"[bold]{name}[/bold]")
        yield
        self.seconds[name] = time.monotonic() - start

    def run(self) -> DemoResult:
        """Run every step."""
        require_torch()
        canary = Canary()
        pages = {"pages": QUICK_PAGES} if self.quick else {}
        world = build_world(canary=canary.port, **pages)
        try:
            with serve(world, self.port) as server:
                scraped, builds = self.corpora(server)
        except OSError as error:
            raise LoomError(
                f"port {self.port} of loopback: {error.strerror}", where="loom demo", remedy="give another --port"
            ) from error
        finally:
            canary.close()
        with self.step("statistics"):
            reports = [self.report(name) for name in ("m3w", "align")]
        losses = self.train()
        with self.step("evaluations"):
            gates = self.examine()
        return DemoResult(
            self.out, scraped, builds, gates, losses, self.seconds, canary.connections, reports, self.port
        )

    def fetch_config(self) -> FetchConfig:
        """Return the fetcher's configuration: the bundled web's address and port, and no other private one."""
        return FetchConfig(contact=CONTACT, allow_addresses=(f"127.0.0.0/8:{self.port}",), delay=0)

    def corpora(self, server: WebServer) -> tuple[ScrapeReport, dict[str, BuildReport]]:
        """Scrape and build everything that needs the web, then the regions."""
        with self.step("scrape"):
            scraped = self.scrape(server, "crawl", exam=False)
            self.scrape(server, "exam-crawl", exam=True)
        builds: dict[str, BuildReport] = {}
        for name, recipe, crawl in (
            ("m3w", "m3w", "crawl"),
            ("align", "align", "crawl"),
            ("exam", "align", "exam-crawl"),
        ):
            with self.step(f"build {name}"):
                builds[name] = self.build(name, recipe, crawl)
        with self.step("regions"):
            for name, source in (("regions", "align"), ("exam-regions", "exam")):
                builds[name] = regions.build_dataset(
                    self.path("datasets", source), self.path("datasets", name), self.path("work"), self.reporter
                )
        return scraped, builds

    def scrape(self, server: WebServer, name: str, *, exam: bool) -> ScrapeReport:
        """Scrape the world or its exam."""
        seeds = self.path(f"{name}-seeds.txt")
        storage.write_bytes(seeds, "\n".join(server.world.seed_urls(self.port, exam=exam)).encode())
        return scrape(ScrapeConfig(seeds=seeds, out=self.path(name), fetch=self.fetch_config()), self.reporter)

    def build(self, name: str, recipe: str, crawl: str) -> BuildReport:
        """Build one dataset."""
        config = BuildConfig(
            recipe=load_recipe(recipe),
            out=self.path("datasets", name),
            work=self.path("work"),
            store=self.path("work", "images"),
            warcs=(self.path(crawl),),
            fetch=self.fetch_config(),
        )
        return build.build(config, self.reporter)

    def report(self, name: str) -> str:
        """Write a dataset's report; return its path."""
        path = self.path("reports", f"{name}.html")
        write_report(summarise(self.path("datasets", name)), path)
        return path

    def train(self) -> dict[str, tuple[int, float, float]]:
        """Train the three models, Flamingo on top of the CLIP; return steps, last loss and seconds of each."""
        m3w, align, region = (self.path("datasets", name) for name in ("m3w", "align", "regions"))
        runs = {
            "clip": ("clip-tiny", (align,), ()),
            "flamingo": (
                "flamingo-tiny",
                (f"m3w={m3w}:0.2", f"align={align}:1.0"),
                (f"model.vision.checkpoint='{self.path('runs', 'clip')}'",),
            ),
            "vilbert": ("vilbert-tiny", (region,), ()),
        }
        return {family: self.train_one(family, *run) for family, run in runs.items()}

    def train_one(
        self, family: str, config: str, data: tuple[str, ...], changes: tuple[str, ...]
    ) -> tuple[int, float, float]:
        """Train one model; one that was trained before is left alone."""
        from corpusloom.trainers.run import run
        from corpusloom.trainers.run_config import load_config

        out = self.path("runs", family)
        if self.quick:
            changes = (*changes, f"train.steps={QUICK_STEPS}", "train.warmup=2")
        with self.step(f"train {family}"):
            result = run(family, load_config(config, changes), data, out)
        summary = self.path("runs", family, "summary.json")
        if result.report is not None:
            row = (result.steps, result.report.loss, result.seconds)
            storage.write_bytes(summary, json.dumps(row).encode())
        else:
            self.reporter.note(f"  {family}: trained before, step {result.steps}")
        steps, loss, seconds = json.loads(storage.read_bytes(summary))
        return int(steps), float(loss), float(seconds)

    def examine(self) -> list[Gate]:
        """Evaluate the three models; figures of the same checkpoints are not computed again."""
        seen, unseen = self.path("evaluation", "zero-shot"), self.path("evaluation", "unseen-combinations")
        if not storage.exists(storage.join(seen, "classnames.txt")):
            write_zero_shot(seen, drawing.evaluation_pictures(2 if self.quick else 8))
            write_zero_shot(unseen, drawing.unseen_pictures(2 if self.quick else 8))
        limit = 20 if self.quick else 100
        exam = self.path("datasets", "exam")
        zero = self.evaluate("zero-shot", "clip", seen)
        combined = self.evaluate("zero-shot", "clip", unseen)
        ranked = self.evaluate("retrieval", "vilbert", self.path("datasets", "exam-regions"), limit)
        liked = self.evaluate("few-shot", "flamingo", exam, limit)
        gates = [
            _gate("clip zero-shot top-1", zero, "top1", zero["chance"] * CHANCE_FACTORS["clip"]),
            _gate("clip on unseen combinations", combined, "top1", None),
            _gate("vilbert retrieval R@1", ranked, "r1", ranked["chance"] * CHANCE_FACTORS["vilbert"]),
            _gate("flamingo caption, right image", liked, "right_image_likelier", RIGHT_IMAGE_SHARE),
        ]
        return [replace(gate, wanted=None) for gate in gates] if self.quick else gates

    def evaluate(self, kind: str, family: str, data: str, limit: int | None = None) -> dict[str, float]:
        """Evaluate a run, or read the figures that its newest checkpoint had before."""
        from corpusloom.trainers.checkpoint import find
        from corpusloom.trainers.evaluate import FewShot, evaluate

        run = self.path("runs", family)
        name = f"{family}-{data.rstrip('/').rsplit('/', 1)[-1]}.json"
        path, newest = self.path("evaluation", name), find(run)
        if storage.exists(path):
            known = json.loads(storage.read_bytes(path))
            if known["checkpoint"] == newest:
                return dict(known["figures"])
        figures = evaluate(kind, run, data, limit=limit, few_shot=FewShot(shots=2, prompt=""))
        storage.write_bytes(path, json.dumps({"checkpoint": newest, "figures": figures}, indent=1).encode())
        return figures


def _gate(name: str, figures: dict[str, float], value: str, wanted: float | None) -> Gate:
    low, high = figures[f"{value}_low"], figures[f"{value}_high"]
    return Gate(name, figures[value], low, high, figures["chance"], wanted)


def write_zero_shot(folder: str, pictures: list[drawing.Picture]) -> None:
    """Write pictures as an evaluation set in CLIP_benchmark's layout: test/0.tar, classnames.txt, templates."""
    labels = [f"{colour} {shape}" for shape in drawing.SHAPES for colour in drawing.COLOURS]
    names = labels if any(p.label not in drawing.classes() for p in pictures) else drawing.classes()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for number, picture in enumerate(pictures):
            members = {
                "cls": str(names.index(picture.label)).encode(),
                "jpg": drawing.encode(drawing.draw(picture), "jpg"),
            }
            for extension, data in members.items():
                info = tarfile.TarInfo(f"s{number:07d}.{extension}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    storage.write_bytes(storage.join(folder, "test", "0.tar"), buffer.getvalue())
    storage.write_bytes(storage.join(folder, "test", "nshards.txt"), b"1")
    templates = "\n".join(template.replace("{}", "{c}") for template in grammar.PROMPTS)
    storage.write_bytes(storage.join(folder, "zeroshot_classification_templates.txt"), templates.encode())
    storage.write_bytes(storage.join(folder, "classnames.txt"), "\n".join(names).encode())
