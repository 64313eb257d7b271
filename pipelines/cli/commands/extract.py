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
    from corpusloom.pipelines.store.warc.responses import HtmlResponse

_FAULTS = {
    "truncated_warc": ("ends in the middle of a record", "all before it was read"),
    "no_responses": ("holds no response, only records such as requests", "give the file that holds the responses"),
}
"""Reason of the outcome of a whole file -> what is wrong with the file, and the remedy."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """Print the blocks of text and image of the pages in WARCs, ARCs or HTML files, in input order.

    Examples:
      loom extract page.html --format md
      loom extract crawl.warc.gz --url https://example.org/page.html --format html > page.html
      loom extract crawl.warc.gz --no-filters > pages.jsonl
    """

    inputs: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE ...")]
    """WARC, ARC or HTML files."""
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
        from corpusloom.pipelines.extract.page_task import HtmlPage, extract_page
        from corpusloom.pipelines.extract.reading.types import ExtractConfig
        from corpusloom.pipelines.recipes.recipe import load_recipe
        from corpusloom.pipelines.stages.extract.page_pool import page_pool

        check_least("--limit", self.limit, 1)
        check_least("--workers", self.workers, 0)
        recipe = None if self.no_filters else load_recipe(self.recipe)
        printer = PagePrinter(self.format, recipe)
        faults = {reason: list[str]() for reason in _FAULTS}
        chosen = (page for page in self._pages(faults) if self.url in (None, page.url))
        waiting: deque[HtmlResponse] = deque()
        read = printed = 0

        def work() -> Iterator["HtmlPage"]:
            for page in islice(chosen, self.limit):
                waiting.append(page)
                yield HtmlPage(page.body, page.url, page.content_type)

        config = ExtractConfig(keep_dropped=self.format != "jsonl")
        with page_pool(partial(extract_page, config=config), self.workers) as pool:
            for result in pool.map(work()):
                read += 1
                printed += printer.print(result, waiting.popleft())
        for reason, paths in faults.items():
            if paths:
                what, remedy = _FAULTS[reason]
                raise InputError(what, where=", ".join(paths), remedy=remedy)
        if not printed:
            advice = (
                "--no-filters prints them all" if read else "is it in these files?" if self.url else "are they HTML?"
            )
            show(f"no page to show, {read} read ({advice})", err=True)
        return 0

    def _pages(self, faults: dict[str, list[str]]) -> Iterator["HtmlResponse"]:
        """Yield the pages of every input: the responses of a WARC or ARC, or an HTML file under its own URI.

        The path of a WARC or ARC with a fault is added to the paths of that fault.
        """
        from corpusloom.pipelines.store.warc.archives import read_archive
        from corpusloom.pipelines.store.warc.responses import HtmlResponse
        from corpusloom.schemas import storage
        from corpusloom.schemas.verdicts import Rejected

        for path in (found for pattern in self.inputs for found in storage.expand(pattern)):
            records = read_archive(path)
            if records is None:
                address = Path(path).resolve().as_uri() if storage.is_local(path) else path
                yield _file_response(storage.read_bytes(path), address)
                continue
            for record in records:
                if isinstance(record, HtmlResponse):
                    yield record
                else:
                    reason = record.verdict.reason if isinstance(record.verdict, Rejected) else record.verdict.error
                    faults.get(reason, []).append(path)


def _file_response(body: bytes, address: str) -> "HtmlResponse":
    """Return an HTML file as the response that a server would give, without headers."""
    from corpusloom.pipelines.store.warc.responses import HtmlResponse

    return HtmlResponse(
        url=address, record_id="", offset=0, fetched_at="", status=200, headers=(), content_type=None, body=body
    )
