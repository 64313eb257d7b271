"""`loom verify`: checks a dataset's hashes, offsets and counts."""

from dataclasses import dataclass, field
from typing import Annotated

import tyro

from corpusloom.pipelines.cli.flags import OutputFlags
from corpusloom.pipelines.engine.printing import show
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.manifest import read_manifest


@dataclass(frozen=True, kw_only=True)
class Command:
    """Check every hash, offset and count of a dataset. The exit code is 1 if anything is damaged.

    Examples:
      loom verify data/m3w
      loom verify data/m3w --quick
      loom verify data/m3w --repair
      loom verify laion-index
    """

    dataset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATASET")]
    """Folder of the dataset."""
    quick: bool = False
    """Check sizes, footers and counts only."""
    deep: bool = False
    """Also check the bytes of every member."""
    repair: bool = False
    """Write damaged files again from the stages of the build, and verify again."""
    output: OutputFlags = field(default_factory=OutputFlags)

    def run(self) -> int:
        """Verify."""
        from corpusloom.pipelines.datasets.damage import describe, remedy_of, to_json
        from corpusloom.pipelines.datasets.verify import Depth, unproved, verify
        from corpusloom.trainers.stream.foreign.index_tars import check_tar

        if self.quick and self.deep:
            raise ConfigError("--quick and --deep contradict each other", remedy="give one of them")
        depth: Depth = "quick" if self.quick else "deep" if self.deep else "full"
        manifest, proved = read_manifest(self.dataset), [0]

        def count() -> None:
            proved[0] += 1

        with self.output.reporter().stage("verify", len(manifest.shards), lambda: proved[0], unit="shards"):
            damages = list(verify(self.dataset, depth, on_shard=count, check_tar=check_tar))
        if damages and self.repair:
            from corpusloom.pipelines.datasets.repair import repair

            repair(self.dataset, damages)
            damages = list(verify(self.dataset, depth))
        if self.output.json:
            show(to_json(damages, self.dataset), lines=True)
        for damage in [] if self.output.json else damages:
            show(f"damaged: {damage.where}: {describe(damage)} ({remedy_of(damage, self.dataset)})", err=True)
        if not damages and not self.output.json:
            show(f"{self.dataset}: whole ({depth}{unproved(manifest, depth)})")
        return 1 if damages else 0
