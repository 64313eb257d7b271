"""`loom index`: writes sidecars for tars that other tools made."""

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from corpusloom.pipelines.cli.flags import print_json
from corpusloom.pipelines.engine.printing import show
from corpusloom.pipelines.engine.progress import Reporter

SampleKind = Literal["interleaved", "pairs", "clips", "regions"]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Index tars that other tools made (img2dataset, webdataset, energon, open_flamingo, OBELICS), so that they stream.

    Only headers are read, and the tars are not changed. OUT is then a dataset for loom train --data OUT,
    StreamingDataset(OUT) and loom bench-stream OUT.

    Examples:
      loom index 'laion/{00000..00099}.tar' --out laion-index
      loom index energon_dataset --out energon-index
      loom index s3://bucket/mmc4/*.tar --out mmc4-index --kind interleaved
    """

    tars: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="TARS")]
    """Paths, URLs, globs, braces or folders of tars, or a folder that `energon prepare` prepared."""
    out: Annotated[str, tyro.conf.arg(metavar="FOLDER")]
    """Folder of the sidecars and the manifest: a new one, or that of an earlier index."""
    kind: SampleKind | None = None
    """Kind of the samples; if not given, it is guessed from their members."""
    prefix_keys: bool = False
    """Prefix each key with the tar's name, for tars whose keys all count from zero."""
    hashes: bool = False
    """Read the whole tars and record each member's sha256, so that later changes are detected."""
    json: bool = False
    """Print the result as JSON."""

    def run(self) -> int:
        """Index the tars and print the counts."""
        from corpusloom.trainers.stream.foreign.find_tars import find_tars
        from corpusloom.trainers.stream.foreign.index_tars import index_tars

        done = [0]

        def tick() -> None:
            done[0] += 1

        with Reporter(quiet=self.json).stage("index", len(find_tars(self.tars)), lambda: done[0], unit="tars"):
            found = index_tars(
                self.tars,
                self.out,
                kind=self.kind,
                prefix_keys=self.prefix_keys,
                hashes=self.hashes,
                on_tar=tick,
            )
        if self.json:
            print_json(found)
            return 0
        show(f"{self.out}: {found.samples:,} samples of {found.kind} in {found.shards} tars")
        for extension, count in sorted(found.ignored.items()):
            show(f"  not read: {count:,} members {extension}")
        if found.excluded:
            show(f"  taken out by the dataset itself: {found.excluded:,} samples")
        return 0
