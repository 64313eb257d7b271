"""`loom index`: sidecars for tars that others made."""

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from corpusloom.pipelines.cli.flags import print_json

SampleKind = Literal["interleaved", "pairs", "clips", "regions"]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Index tars that others made (img2dataset, webdataset, energon, open_flamingo, OBELICS), so that they stream.

    Only headers are read, and the tars stay where and as they are. OUT is then a dataset: loom train --data OUT,
    StreamingDataset(OUT), loom bench-stream OUT.

    Examples:
      loom index 'laion/{00000..00099}.tar' --out laion-index
      loom index energon_dataset --out energon-index
      loom index s3://bucket/mmc4/*.tar --out mmc4-index --kind interleaved
    """

    tars: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Paths, URLs, globs, braces, folders of tars, or a folder that `energon prepare` has seen."""
    out: str
    """Folder of sidecars and manifest; a new one, or that of an earlier index."""
    kind: SampleKind | None = None
    """What the samples are; guessed from their members when not given."""
    prefix_keys: bool = False
    """Put the tar's name before each key: for tars whose keys all count from zero."""
    hashes: bool = False
    """Read the tars whole and note each member's sha256, so that later changes are found."""
    json: bool = False
    """Print the result as JSON."""

    def run(self) -> int:
        """Index."""
        from corpusloom.trainers.stream.foreign.index_tars import index_tars

        found = index_tars(self.tars, self.out, kind=self.kind, prefix_keys=self.prefix_keys, hashes=self.hashes)
        if self.json:
            print_json(found)
            return 0
        print(f"{self.out}: {found.samples:,} samples of {found.kind} in {found.shards} tars")
        for extension, count in sorted(found.ignored.items()):
            print(f"  not read: {count:,} members .{extension}")
        if found.excluded:
            print(f"  taken out by the dataset itself: {found.excluded:,} samples")
        return 0
