"""`loom metadata`: builds the list of entries that the recipe wit needs."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from corpusloom.pipelines.cli.flags import check_least, check_output, print_json
from corpusloom.pipelines.engine.printing import show


@dataclass(frozen=True, kw_only=True)
class Command:
    """Build a list of entries for loom build wit, by MetaCLIP's rules: WordNet, n-grams of a corpus, titles.

    Equal texts give an equal list, in any order of files. OUT.json beside it has counts and hashes of its sources. For
    several languages, build a list for each: --set filters.entries.metadata=entries/{language}.txt takes them all.

    Examples:
      loom metadata 'enwiki/*.parquet' --wordnet /usr/share/wordnet --titles views.tsv --out entries.txt
      loom metadata 'wiki/de/*.jsonl.gz' --worldwide --out entries/de.txt --workers 8
      loom metadata captions.txt --min-occurrences 5 --min-pmi 8 --out entries.txt
      loom build wit --warc crawl --out data/wit --set filters.entries.metadata=entries.txt ...
    """

    texts: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILES")] = ()
    """Corpus: .parquet, .jsonl, or files with a text per line, also .gz; paths, globs or folders."""
    out: Annotated[str, tyro.conf.arg(metavar="FILE")]
    """File to write, one entry per line."""
    text_column: Annotated[str, tyro.conf.arg(metavar="NAME")] = "text"
    """Column of Parquet or key of JSONL that holds the texts."""
    wordnet: Annotated[str | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Folder of WordNet's data files (Debian: wordnet-base)."""
    titles: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None
    """Titles of articles, with a tab and their views."""
    min_occurrences: Annotated[int, tyro.conf.arg(metavar="N")] = 100
    """Occurrences of a unigram, at least."""
    min_pmi: Annotated[float, tyro.conf.arg(metavar="BITS")] = 30.0
    """Pointwise mutual information of a bigram, at least; log2 of the corpus's tokens is the highest there is."""
    min_views: Annotated[int, tyro.conf.arg(metavar="N")] = 70
    """Views of a title, at least."""
    worldwide: bool = False
    """Limits of MetaCLIP 2 in place of occurrences and views: a tenth of the unigrams, 76 % of the titles ..."""
    workers: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Processes that count, each a file at a time; 0 counts in this one."""
    json: bool = False
    """Print the counts as JSON."""

    def run(self) -> int:
        """Build the list and print its counts."""
        from corpusloom.pipelines.datasets.metadata.build_metadata import MetadataConfig, build_metadata

        check_least("--min-occurrences", self.min_occurrences, 1)
        check_least("--workers", self.workers, 0)
        config = MetadataConfig(
            out=self.out, texts=self.texts, text_column=self.text_column, wordnet=self.wordnet, titles=self.titles,
            min_occurrences=self.min_occurrences, min_information=self.min_pmi, min_views=self.min_views,
            worldwide=self.worldwide, workers=self.workers,
        )  # fmt: skip
        check_output("--out", self.out)
        found = build_metadata(config)
        if self.json:
            print_json(found)
            return 0
        show(f"{self.out}: {found.entries:,} entries")
        for source, added in found.added.items():
            show(f"  {source}: {added:,} new of {found.offered[source]:,}")
        bound = found.information_bound
        if bound is not None and bound < self.min_pmi:
            show(f"  no bigram of {found.tokens:,} tokens has {self.min_pmi:g} bits: lower --min-pmi below {bound:g}")
        return 0
