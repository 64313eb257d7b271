"""Runs the steps of `loom demo` by the same functions as the commands, so that finished work is reused."""

from corpusloom.pipelines.builds import build
from corpusloom.pipelines.builds.config import BuildConfig, BuildReport
from corpusloom.pipelines.builds.derived import regions
from corpusloom.pipelines.cli.demo.evaluations import VILBERT_PAGE, examine_models
from corpusloom.pipelines.cli.demo.folder import DemoFolder
from corpusloom.pipelines.cli.demo.lanes import train_models
from corpusloom.pipelines.cli.demo.result import DemoResult
from corpusloom.pipelines.datasets.stats.report import write_report
from corpusloom.pipelines.datasets.stats.summary import summarise
from corpusloom.pipelines.demo.server import Canary, WebServer, serve
from corpusloom.pipelines.demo.sites import build_world
from corpusloom.pipelines.engine import extras
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.pipelines.stages.scrape.scrape import ScrapeReport, scrape
from corpusloom.pipelines.stages.scrape.scrape_lane import ScrapeConfig
from corpusloom.schemas import storage
from corpusloom.schemas.errors import LoomError

CONTACT = "https://corpusloom.example/demo"
QUICK_PAGES = 5
"""Pages per host of the small website."""


def run_demo(demo: DemoFolder) -> DemoResult:
    """Run every step and return the result."""
    extras.require("train", (*extras.TRAIN, *extras.DETECTOR), "loom demo")
    canary = Canary()
    pages = {"pages": QUICK_PAGES} if demo.quick else {}
    world = build_world(canary=canary.port, **pages)
    try:
        with serve(world, demo.port) as server:
            scraped, builds = build_datasets(demo, server)
    except OSError as error:
        raise LoomError(
            f"loopback port {demo.port}: {error.strerror}", where="loom demo", remedy="give another --port"
        ) from error
    finally:
        canary.close()
    with demo.step("statistics"):
        reports = [_write_report(demo, name) for name in ("m3w", "align")]
    trainings = train_models(demo)
    with demo.step("evaluations"):
        gates = examine_models(demo)
        reports.append(demo.path(*VILBERT_PAGE))
    return DemoResult(demo.out, scraped, builds, gates, trainings, demo.seconds, canary.connections, reports, demo.port)


def fetch_config(demo: DemoFolder) -> FetchConfig:
    """Return the fetcher's configuration, which allows the bundled website as the only private address."""
    return FetchConfig(contact=CONTACT, allow_addresses=(f"127.0.0.0/8:{demo.port}",), delay=0)


def build_datasets(demo: DemoFolder, server: WebServer) -> tuple[ScrapeReport, dict[str, BuildReport]]:
    """Scrape the website, build the datasets of pages and pairs while it is served, then the regions."""
    with demo.step("scrape"):
        scraped = _scrape(demo, server, "crawl", exam=False)
        _scrape(demo, server, "exam-crawl", exam=True)
    builds: dict[str, BuildReport] = {}
    for name, recipe, crawl in (("m3w", "m3w", "crawl"), ("align", "align", "crawl"), ("exam", "align", "exam-crawl")):
        with demo.step(f"build {name}"):
            builds[name] = _build(demo, name, recipe, crawl)
    with demo.step("regions"):
        for name, source in (("regions", "align"), ("exam-regions", "exam")):
            builds[name] = regions.build_dataset(
                demo.path("datasets", source),
                demo.path("datasets", name),
                demo.path("work"),
                demo.reporter,
                store=demo.path("work", "images"),
            )
    return scraped, builds


def _scrape(demo: DemoFolder, server: WebServer, name: str, *, exam: bool) -> ScrapeReport:
    """Scrape the website's training hosts or, with `exam`, its exam host."""
    seeds = demo.path(f"{name}-seeds.txt")
    storage.write_bytes(seeds, "\n".join(server.world.seed_urls(demo.port, exam=exam)).encode())
    return scrape(ScrapeConfig(seeds=seeds, out=demo.path(name), fetch=fetch_config(demo)), demo.reporter)


def _build(demo: DemoFolder, name: str, recipe: str, crawl: str) -> BuildReport:
    """Build one dataset."""
    config = BuildConfig(
        recipe=load_recipe(recipe),
        out=demo.path("datasets", name),
        work=demo.path("work"),
        store=demo.path("work", "images"),
        warcs=(demo.path(crawl),),
        fetch=fetch_config(demo),
    )
    return build.build(config, demo.reporter)


def _write_report(demo: DemoFolder, name: str) -> str:
    """Write the HTML report of a dataset and return its path."""
    path = demo.path("reports", f"{name}.html")
    write_report(summarise(demo.path("datasets", name)), path)
    return path
