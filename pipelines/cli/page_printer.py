"""Printing of pages for `loom extract`, with the verdict of a recipe's rules."""

from dataclasses import dataclass, replace
from typing import Literal

from corpusloom.pipelines.engine.printing import show
from corpusloom.pipelines.extract.reading.types import Extracted
from corpusloom.pipelines.extract.render import PageResult, to_html, to_jsonl, to_markdown
from corpusloom.pipelines.filters.language import measure_language
from corpusloom.pipelines.recipes.deciding import select_rules
from corpusloom.pipelines.recipes.measuring import drop_blocks, page_text
from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.recipes.word_lists import load_word_lists
from corpusloom.pipelines.stages.extract.input_fragments import STAGE
from corpusloom.pipelines.stages.kinds.pages import make_page
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.pipelines.store.warc.responses import HtmlResponse
from corpusloom.schemas.records import Page
from corpusloom.schemas.verdicts import Rejected, decide


@dataclass(frozen=True, slots=True)
class PagePrinter:
    """Printer of pages in one format."""

    format: Literal["jsonl", "md", "html"]
    recipe: Recipe | None
    """Recipe whose filters are applied; None prints every page."""

    def print(self, result: PageResult, page: HtmlResponse) -> bool:
        """Print one page and return True; return False for a rejected page, which JSON lines leave out."""
        language, refused, url = None, None, page.url
        if isinstance(result, Extracted):
            if url.startswith("file:") and result.canonical_link:
                url = result.canonical_link
            if self.recipe is not None:
                result, refused = judge(result, replace(page, url=url), self.recipe)
            language = measure_language(page_text(result.blocks))[0]
        kept = isinstance(result, Extracted) and not refused
        if self.format == "jsonl" and self.recipe is not None and not kept:
            return False
        render = {"jsonl": to_jsonl, "md": to_markdown, "html": to_html}[self.format]
        show(render(result, url, language, refused), lines=True)
        return True


def drop_boilerplate(page: Extracted, recipe: Recipe) -> Extracted:
    """Move the blocks that the recipe drops to the page's dropped blocks, as a build does before measuring."""
    kept, gone = drop_blocks(page.blocks, recipe, load_word_lists(recipe))
    dropped = (*page.dropped, *((page.blocks[item.index], item.reason) for item in gone))
    return replace(page, blocks=kept, dropped=dropped)


def judge(page: Extracted, response: HtmlResponse, recipe: Recipe) -> tuple[Extracted, str | None]:
    """Return the page as a build would store it, and the reason for which the build would reject it, or None.

    The page's own opt-outs and licence are judged first, then the recipe's rules.
    """
    left = drop_boilerplate(page, recipe)
    made = make_page(response, page, recipe, Ledger(STAGE))
    if isinstance(made, Rejected):
        return left, made.reason
    ((stored, _),) = made
    if not isinstance(stored, Page):
        raise TypeError(f"a page was made into a {type(stored).__name__}")
    gone = tuple((block, "opt_out") for block in left.blocks if block not in stored.blocks)
    verdict = decide(stored.scores, select_rules(recipe))
    reason = verdict.reason if isinstance(verdict, Rejected) else None
    return replace(left, blocks=stored.blocks, dropped=(*left.dropped, *gone)), reason
