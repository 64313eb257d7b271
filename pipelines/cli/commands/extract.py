"""`loom extract`: extraction alone, to standard output."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from corpusloom.pipelines.cli.flags import check_least
from corpusloom.schemas.errors import ConfigError, InputError

if TYPE_CHECKING:
    from corpusloom.pipelines.extract.page_task import HtmlPage
    from corpusloom.pipelines.extract.reading.types import Extracted
    from corpusloom.pipelines.recipes.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Command:
    """Extract blocks of text and image from WARCs or HTML files, one page after the other, in input order.

    Examples:
      loom extract page.html --format md
      loom extract crawl.warc.gz --url https://example.org/page.html --format html > page.html
      loom extract crawl.warc.gz --no-filters > pages.jsonl
    """

    inputs: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE ...")]
    """WARC or HTML files."""
    format: Literal["jsonl", "md", "html"] = "jsonl"
    """jsonl: a page a line. md, html: as a person would look at it, dropped blocks with their reasons."""
    url: str | None = None
    """Only the page of this URL."""
    recipe: str = "m3w"
    """Whose filters say whether a page would be kept."""
    no_filters: bool = False
    """Print all pages, and judge none."""
    limit: int | None = None
    """At most so many pages."""
    workers: int = 2
    """Processes that parse."""

    def run(self) -> int:
        """Extract and print."""
        from corpusloom.pipelines.extract.page_task import extract_page
        from corpusloom.pipelines.extract.reading.types import ExtractConfig
        from corpusloom.pipelines.recipes.recipe import load_recipe
        from corpusloom.pipelines.stages.page_pool import page_pool

        check_least("--limit", self.limit, 1)
        check_least("--workers", self.workers, 0)
        if not self.inputs:
            raise ConfigError("needs FILE ...", where="loom extract", remedy="see loom extract --help")
        recipe = None if self.no_filters else load_recipe(self.recipe)
        cut: list[str] = []
        chosen = (page for page in self._pages(cut) if self.url in (None, page.url))
        waiting: list[str] = []
        read = printed = 0

        def work() -> Iterator["HtmlPage"]:
            for page in islice(chosen, self.limit):
                waiting.append(page.url)
                yield page

        config = ExtractConfig(keep_dropped=self.format != "jsonl")
        with page_pool(partial(extract_page, config=config), self.workers) as pool:
            for result in pool.map(work()):
                read += 1
                printed += self._print(result, waiting.pop(0), recipe)
        if cut:
            raise InputError("ends in the middle of a record", where=", ".join(cut), remedy="all before it was read")
        if not printed:
            advice = (
                "--no-filters prints them all" if read else "is it in these files?" if self.url else "are they HTML?"
            )
            print(f"no page to show, {read} read ({advice})", file=sys.stderr)
        return 0

    def _pages(self, cut: list[str]) -> Iterator["HtmlPage"]:
        """Yield the pages of every input: a WARC's responses, or an HTML file under its own URI.

        A WARC that is no WARC from some place on is added to `cut`.
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

    def _print(self, result: "object", url: str, recipe: "Recipe | None") -> bool:
        """Print one page; False for one that is left out."""
        from corpusloom.pipelines.extract.reading.types import Extracted
        from corpusloom.pipelines.extract.render import to_html, to_jsonl, to_markdown
        from corpusloom.pipelines.filters.language import measure_language
        from corpusloom.pipelines.recipes.measuring import page_text

        language = refused = None
        if isinstance(result, Extracted):
            if url.startswith("file:") and result.canonical_link:
                url = result.canonical_link
            if recipe is not None:
                result = without_boilerplate(result, recipe)
                refused = judge(result, url, recipe)
            language = measure_language(page_text(result.blocks))[0]
        if self.format == "jsonl" and recipe is not None and (refused or not isinstance(result, Extracted)):
            return False
        render = {"jsonl": to_jsonl, "md": to_markdown, "html": to_html}[self.format]
        print(render(result, url, language, refused))  # type: ignore[arg-type]
        return True


def without_boilerplate(result: "Extracted", recipe: "Recipe") -> "Extracted":
    """Return a page as a build measures it: the blocks that the recipe drops stand among the dropped ones."""
    from corpusloom.pipelines.recipes.measuring import drop_blocks, load_word_lists

    kept, gone = drop_blocks(result.blocks, recipe, load_word_lists(recipe))
    dropped = (*result.dropped, *((result.blocks[item.index], item.reason) for item in gone))
    return replace(result, blocks=kept, dropped=dropped)


def judge(result: "object", url: str, recipe: "Recipe") -> str | None:
    """Return the reason for which a recipe's page rules would reject a page, or None."""
    from corpusloom.pipelines.recipes.deciding import select_rules
    from corpusloom.pipelines.stages.kinds.pages import measure
    from corpusloom.schemas.records import Page
    from corpusloom.schemas.verdicts import Rejected, decide

    page = measure(
        Page(key="", url=url, canonical_url=url, fetched_at="", blocks=result.blocks),  # type: ignore[attr-defined]
        recipe,
    )
    verdict = decide(page.scores, select_rules(recipe))
    return verdict.reason if isinstance(verdict, Rejected) else None
