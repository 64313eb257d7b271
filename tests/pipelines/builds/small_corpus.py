"""A small extracted corpus, from which any recipe builds in memory in a fraction of a second."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from corpusloom.pipelines.builds import build
from corpusloom.pipelines.builds.plan import Planner
from corpusloom.pipelines.dedup.evaluation_sets import load_benchmarks
from corpusloom.pipelines.extract.alt_texts import PageImages, extract_images
from corpusloom.pipelines.extract.extractor import extract
from corpusloom.pipelines.extract.reading.types import Extracted
from corpusloom.pipelines.recipes.recipe import Recipe, config_json
from corpusloom.pipelines.stages.extract.input_fragments import STAGE
from corpusloom.pipelines.stages.kinds.registry import kind_of
from corpusloom.pipelines.stages.select import local
from corpusloom.pipelines.stages.select.decisions import decisions, frequent_urls
from corpusloom.pipelines.stages.shard_records import ImageJudge
from corpusloom.pipelines.store.images.index import ImageIndex
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.pipelines.store.stages import Stage
from corpusloom.pipelines.store.warc.reading import read_warc
from corpusloom.pipelines.store.warc.responses import HtmlResponse
from corpusloom.schemas import tables
from corpusloom.schemas.records import Block, FileEntry, Head, ImageRef
from corpusloom.schemas.verdicts import Rejected
from tests.pipelines.small_web import QUIET, SmallWeb, small_web

PARAGRAPHS = (
    "The boat of the town lay at the quay, and the people who had come to see it went home in the evening.",
    "Please turn on JavaScript to see the whole of this page in your browser.",
    "Our privacy policy says what we keep of the letters that you write to us.",
    "The bridge was built in a single year[12], and nobody has crossed it since then.",
    "Three words here.",
    "This line has no end and goes on for a while",
    "Write to jane@mail.org, to 8.8.8.8 or call +1 650-253-0000 at any time of the day.",
    "Lorem ipsum dolor sit amet is { what a printer writes.",
    "We use cookies to improve your experience. Accept all",
    "Read more",
    "Share on Facebook Share on Twitter Pinterest",
    "word " * 30 + "x" * 40 + ".",
)


@dataclass
class SmallCorpus:
    """Web pages, extracted once, and an image store with their images."""

    web: SmallWeb
    pages: list[tuple[HtmlResponse, Extracted]]
    pairs: list[tuple[HtmlResponse, PageImages]]
    _made: dict[str, list[Any]] = field(default_factory=dict)
    _planned: dict[str, dict[str, str]] = field(default_factory=dict)
    _decided: dict[str, tuple[list[Head], list[str]]] = field(default_factory=dict)
    _written: dict[str, tuple[list[Any], list[Any]]] = field(default_factory=dict)

    def stages(self, recipe: Recipe, **changes: object) -> dict[str, str]:
        """Return the fingerprint of each part of a build: what is read, what is measured, the decisions, the shards."""
        name = config_json(recipe)
        if changes:
            return self._plan(recipe, **changes)
        if name not in self._planned:
            self._planned[name] = self._plan(recipe)
        return self._planned[name]

    def _plan(self, recipe: Recipe, **changes: object) -> dict[str, str]:
        config = self.web.config(recipe, "planned", **changes)
        planner = Planner(config)
        inputs = [
            FileEntry(name="a.warc", sha256="a" * 64, bytes=1),
            FileEntry(name="b.warc", sha256="b" * 64, bytes=1),
        ]
        folder, extracted = planner.warc_folder, planner.plan_extract(inputs)
        select = planner.plan_select(extracted)
        return {
            "read": folder.fingerprint[:16] + "".join(planner.unit_hashes(inputs)),
            "measured": folder.fingerprint[16:],
            "select": select.fingerprint,
            "shards": planner.plan_shards(select, self._some_urls(), config.shards or 1).fingerprint,
        }

    def _some_urls(self) -> list[str]:
        """Return image URLs, most of which the store has."""
        return [block.image.url for _, page in self.pages for block in page.blocks if block.image is not None][:5]

    def differ(self, first: Recipe, second: Recipe) -> bool:
        """Return True if two recipes make different heads, decisions, verdicts on images or samples of the corpus.

        Parts are made in the order of a build, and only until one of them differs.
        """
        return any(part(first) != part(second) for part in (self._heads, self._decisions, self._samples))

    def scores(self, name: str) -> list[float]:
        """Return the different values of one score that pages have where a recipe names no rule, in order."""
        heads: list[Head] = self._heads(Recipe(name="small", kind="interleaved"))[1]
        return sorted({head.scores[name] for head in heads if name in head.scores})

    def records(self, recipe: Recipe) -> list[Any]:
        """Return the records and heads of all pages, cached for recipes that read and measure in the same way."""
        stages = self.stages(recipe)
        known = stages["read"] + stages["measured"]
        if known not in self._made:
            kind = kind_of(recipe)
            parsed: list[tuple[HtmlResponse, Any]] = [*(self.pages if kind.unit == "page" else self.pairs)]
            made = [kind.make(page, found, recipe, Ledger(STAGE)) for page, found in parsed]
            self._made[known] = [made for made in made if isinstance(made, Rejected)] + [
                pair for pairs in made if not isinstance(pairs, Rejected) for pair in pairs
            ]
        return self._made[known]

    def _heads(self, recipe: Recipe) -> tuple[list[Rejected], list[Head]]:
        """Return the pages that were rejected while they were read, and the heads of the others' records."""
        found = self.records(recipe)
        rejected = [item for item in found if isinstance(item, Rejected)]
        return rejected, [head for _, head in found[len(rejected) :]]

    def _decisions(self, recipe: Recipe) -> tuple[list[Head], list[str]]:
        """Return the decided heads and the URLs that too many records show, made once per recipe."""
        name = config_json(recipe)
        if name not in self._decided:
            with tempfile.TemporaryDirectory() as folder:
                fragment = f"{folder}/heads.parquet"
                tables.write_records(fragment, Head, self._heads(recipe)[1], sort_by=("key", "parent"))
                stage = Stage(name="select", folder=folder, fingerprint="", depends_on="")
                (Path(folder) / "scratch").mkdir()
                steps = kind_of(recipe).steps(recipe)
                local.select([fragment], steps, stage.path("decisions"), scratch=f"{folder}/scratch")
                self._decided[name] = list(decisions(stage)), frequent_urls(stage, recipe)
        return self._decided[name]

    def _samples(self, recipe: Recipe) -> tuple[list[Any], list[Any]]:
        """Return the verdicts on images and the members and rows of the samples, made once per recipe."""
        name = config_json(recipe)
        if name not in self._written:
            decided, frequent = self._decisions(recipe)
            judge, ledger, samples = self._judge(recipe, frequent), Ledger("shards"), []
            pairs = [item for item in self.records(recipe) if not isinstance(item, Rejected)]
            records = {(record.key, record.parent): record for record, _ in pairs}
            make_sample = kind_of(recipe).sampler()
            for head in decided:
                if head.outcome == "kept":
                    marked = frozenset(head.frequent_paragraphs)
                    sample = make_sample(records[head.key, head.parent], marked, judge, ledger)
                    samples.append(sample and (sample.key, sorted(sample.fields.items()), sample.row))
            self._written[name] = ledger.rows, samples
        return self._written[name]

    @cached_property
    def _store(self) -> tuple[ImageStore, ImageIndex]:
        """Return the image store and its index, read once."""
        store = ImageStore(str(self.web.folder / "store"))
        return store, store.index()

    def _judge(self, recipe: Recipe, frequent: list[str]) -> ImageJudge:
        store, index = self._store
        scored = store.facts().column("sha256") if recipe.filters.images.nsfw_model else {}
        scores: dict[str, float | None] = dict.fromkeys(scored, 0.5)
        return ImageJudge(
            recipe=recipe,
            store=store,
            index=index,
            frequent=frozenset(frequent),
            benchmarks=load_benchmarks(recipe.dedup.decontaminate),
            nsfw=scores,
        )


@contextmanager
def small_corpus(folder: Path) -> Iterator[SmallCorpus]:
    """Scrape the small web, fetch its images, and extract its pages and one more, on which every rule has an effect."""
    with small_web(folder) as web:
        web.scrape()
        for name in ("m3w", "align"):
            build.build(web.config(name, name), QUIET, until="images")
        warcs = sorted(str(path) for path in (folder / "crawl").glob("*.warc.gz"))
        responses = [record for warc in warcs for record in read_warc(warc) if isinstance(record, HtmlResponse)]
        pages = [(page, extract(page.body, page.url, content_type=page.content_type)) for page in responses]
        pairs = [(page, extract_images(page.body, page.url, content_type=page.content_type)) for page in responses]
        kept = [(page, found) for page, found in pages if isinstance(found, Extracted)]
        yield SmallCorpus(
            web,
            [*kept, *_special(kept)],
            [(page, found) for page, found in pairs if isinstance(found, PageImages)],
        )


def _special(pages: list[tuple[HtmlResponse, Extracted]]) -> list[tuple[HtmlResponse, Extracted]]:
    """Return a page of bad paragraphs that shows an image again, on two hosts and fetched in three months."""
    page, good = next((page, found) for page, found in pages if sum(b.image is not None for b in found.blocks) > 1)
    image = next(block.image for block in good.blocks if block.image is not None)
    declared = replace(image, declared_width=90, declared_height=90)
    blocks = [Block(kind="paragraph", text=text) for text in PARAGRAPHS]
    blocks += [Block(kind="image", image=shown) for shown in (image, declared, ImageRef(url=image.url))]
    copies = []
    for host, month in (("a", "01"), ("b", "02"), ("b", "03")):
        response = replace(
            page, url=f"http://special-{host}.example/page", record_id=month, fetched_at=f"2020-{month}-01T00:00:00Z"
        )
        copies.append((response, replace(good, blocks=tuple(blocks), canonical_link=None)))
    return copies
