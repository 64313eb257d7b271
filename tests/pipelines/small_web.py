"""A small bundled web, scraped and built, shared by the end-to-end tests of the pipelines."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from corpusloom.pipelines.builds import build
from corpusloom.pipelines.builds.config import BuildConfig, BuildReport
from corpusloom.pipelines.demo.server import Canary, WebServer, serve
from corpusloom.pipelines.demo.sites import build_world
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.recipes.recipe import Recipe, load_recipe
from corpusloom.pipelines.stages.scrape.scrape import ScrapeReport, scrape
from corpusloom.pipelines.stages.scrape.scrape_lane import ScrapeConfig

QUIET = Reporter(quiet=True)


@dataclass
class SmallWeb:
    """A served world and a folder."""

    server: WebServer
    canary: Canary
    folder: Path

    @property
    def fetch(self) -> FetchConfig:
        """Return a fetch configuration that may connect only to the served world."""
        return FetchConfig(
            contact="https://corpusloom.example/test",
            allow_addresses=(f"127.0.0.0/8:{self.server.port}",),
            delay=0,
        )

    def scrape(self, name: str = "crawl", **changes: object) -> ScrapeReport:
        """Scrape the world into a folder."""
        seeds = self.folder / "seeds.txt"
        seeds.write_text("\n".join(self.server.world.seed_urls(self.server.port)))
        config = ScrapeConfig(seeds=str(seeds), out=str(self.folder / name), fetch=self.fetch)
        return scrape(replace(config, **changes), QUIET)  # type: ignore[arg-type]

    def config(self, recipe: str | Recipe, name: str, **changes: object) -> BuildConfig:
        """Return the configuration of a build from the crawl."""
        config = BuildConfig(
            recipe=load_recipe(recipe) if isinstance(recipe, str) else recipe,
            out=str(self.folder / name),
            work=str(self.folder / "work"),
            store=str(self.folder / "store"),
            warcs=(str(self.folder / "crawl"),),
            fetch=self.fetch,
            workers=0,
        )
        return replace(config, **changes)  # type: ignore[arg-type]

    def build(self, recipe: str | Recipe, name: str, **changes: object) -> BuildReport:
        """Build a dataset from the crawl."""
        return build.build(self.config(recipe, name, **changes), QUIET)


@contextmanager
def small_web(folder: Path, pages: int = 1) -> Iterator[SmallWeb]:
    """Serve a world with a few pages per host."""
    canary = Canary()
    world = build_world(pages=pages, pictures=2, exam_pages=1, canary=canary.port)
    with serve(world) as server:
        yield SmallWeb(server, canary, folder)
    canary.close()
