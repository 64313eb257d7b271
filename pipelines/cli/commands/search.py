"""`loom search`: finds the images of a dataset that are nearest to a text or an image."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.table import Table

from corpusloom.pipelines.cli.flags import OutputFlags, check_least, check_output, print_json
from corpusloom.pipelines.cli.text_tables import table_console
from corpusloom.pipelines.engine import extras
from corpusloom.pipelines.engine.printing import printable, show
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.urls.redaction import redacted

if TYPE_CHECKING:
    from corpusloom.trainers.jobs.search import SearchResult


@dataclass(frozen=True, kw_only=True)
class Command:
    """Print the images of a dataset that are nearest to texts or images, by the embeddings that `loom embed` wrote.

    Examples:
      loom search data/align "a red star"
      loom search data/align --image cat.jpg -k 5
      loom search data/align "a red star" "two blue discs" --html found.html
    """

    dataset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATASET")]
    """Folder or URL of a dataset that was embedded."""
    texts: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="TEXT")] = ()
    """Texts to search for."""
    image: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FILE")] = ()
    """Images to search for."""
    k: Annotated[int, tyro.conf.arg(aliases=["-k"])] = 20
    """Hits per query."""
    checkpoint: Annotated[str | None, tyro.conf.arg(metavar="PATH")] = None
    """The model that made the embeddings; if not given, the path where it was then."""
    embeddings: Annotated[str | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Folder of the embeddings; if not given, DATASET.embeddings."""
    html: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None
    """Write a page of the images that were found."""
    device: str | None = None
    """cpu, cuda ...; if not given, the fastest available."""
    output: OutputFlags = field(default_factory=OutputFlags)

    def run(self) -> int:
        """Search."""
        check_least("-k", self.k, 1)
        if not all(text.strip() for text in self.texts) or not (self.texts or self.image):
            raise ConfigError("nothing to search for", where="loom search", remedy="give a text, or --image FILE")
        if self.html is not None:
            check_output("--html", self.html)
            extras.require("report", ("jinja2",), "--html")
        extras.require("train", extras.TRAIN, "loom search")
        from corpusloom.pipelines.store.lineage import record_made
        from corpusloom.trainers.jobs.search import search

        reporter = self.output.reporter()
        with reporter.stage("search"):
            result = search(
                self.dataset,
                self.texts,
                self.image,
                k=self.k,
                checkpoint=self.checkpoint,
                embeddings=self.embeddings,
                device=self.device,
                html=self.html,
            )
        if self.html is not None:
            record_made(self.dataset, "report", self.html)  # loom forget deletes it
        if self.output.json:
            print_json(result)
        else:
            _print(result)
        return 0


def _print(result: "SearchResult") -> None:
    """Print a table per query."""
    console = table_console()
    for query, hits in zip(result.queries, result.hits, strict=True):
        table = Table(title=printable(query), title_justify="left", box=None, pad_edge=False)
        for name in ("rank", "score"):
            table.add_column(name, justify="right")
        for name in ("key", "caption", "url"):
            table.add_column(name, overflow="fold")
        for hit in hits:
            caption, url = printable(hit.caption or ""), printable(redacted(hit.url or ""))
            table.add_row(str(hit.rank), f"{hit.score:.3f}", printable(hit.key), caption, url)
        console.print(table)
    show(result.note())
