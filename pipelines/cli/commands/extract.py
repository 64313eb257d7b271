"""`loom extract`: extracts pages and prints their blocks."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from corpusloom.pipelines.cli.flags import check_least
from corpusloom.pipelines.engine.printing import show
from corpusloom.schemas.errors import InputError

if TYPE_CHECKING:
    from corpusloom.pipelines.extract.page_task import HtmlPage


@dataclass(frozen=True, kw_only=True)
class Command:
    """Print the blocks of text and image of the pages in WARCs or HTML files, in input order.

    Examples:
      loom extract page.html --format md
      loom extract crawl.warc.gz --url https://example.org/page.html --format html > page.html
      loom extract crawl.warc.gz --no-filters > pages.jsonl
    """

    inputs: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE ...")]
    """WARC or HTML files."""
    format: Literal["jsonl", "md", "html"] = "jsonl"
    """jsonl: one line per page. md, html: for people, including dropped blocks and their reasons."""
    url: str | None = None
    """Print only the page of this URL."""
    recipe: str = "m3w"
    """Recipe whose filters decide whether a page is kept."""
    no_filters: bool = False
    """Print all pages, without filters."""
    limit: int | None = None
    """Pages, at most."""
    workers: int = 2
    """Processes that parse pages; 0 parses in this process."""

    def run(self) -> int:
        """Extract the pages and print them."""
        from corpusloom.pipelines.cli.page_printer import PagePrinter
        from corpusloom.pipelines.extract.page_task import extract_page
        from corpusloom.pipelines.extract.reading.types import ExtractConfig
        from corpusloom.pipelines.recipes.recipe import load_recipe
        from corpusloom.pipelines.stages.page_pool import page_pool

        check_least("--limit", self.limit, 1)
        check_least("--workers", self.workers, 0)
        recipe = None if self.no_filters else load_recipe(self.recipe)
        printer = PagePrinter(self.format, recipe)
        cut: list[str] = []
        chosen = (page for page in self._pages(cut) if self.url in (None, page.url))
        waiting: deque[str] = deque()
        read = printed = 0

        def work() -> Iterator["HtmlPage"]:
            for page in islice(chosen, self.limit):
                waiting.append(page.url)
                yield page

        config = ExtractConfig(keep_dropped=self.format != "jsonl")
        with page_pool(partial(extract_page, config=config), self.workers) as pool:
            for result in pool.map(work()):
                read += 1
                printed += printer.print(result, waiting.popleft())
        if cut:
            raise InputError("ends in the middle of a record", where=", ".join(cut), remedy="all before it was read")
        if not printed:
            advice = (
                "--no-filters prints them all" if read else "is it in these files?" if self.url else "are they HTML?"
            )
            show(f"no page to show, {read} read ({advice})", err=True)
        return 0

    def _pages(self, cut: list[str]) -> Iterator["HtmlPage"]:
        """Yield the pages of every input: the responses of a WARC, or an HTML file under its own URI.

        The path of a WARC that ends in the middle of a record is added to `cut`.
        """
        from corpusloom.pipelines.extract.page_task import HtmlPage
        from corpusloom.pipelines.store.warc.reading import read_warc
        from corpusloom.pipelines.store.warc.responses import HtmlResponse
        from corpusloom.schemas import storage
        from corpusloom.schemas.verdicts import Dead

        for path in (found for pattern in self.inputs for found in storage.expand(pattern)):
            if ".warc" in path.rsplit("/", 1)[-1]:
                for record in read_warc(path):
                    if isinstance(record, HtmlResponse):
                        yield HtmlPage(record.body, record.url, record.content_type)
                    elif isinstance(record.verdict, Dead) and record.verdict.error == "truncated_warc":
                        cut.append(path)
            else:
                address = Path(path).resolve().as_uri() if storage.is_local(path) else path
                yield HtmlPage(storage.read_bytes(path), address)
