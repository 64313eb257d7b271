"""`loom verify`: checks a dataset's hashes, offsets and counts."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import tyro

from corpusloom.pipelines.cli.flags import OutputFlags
from corpusloom.pipelines.engine.printing import show
from corpusloom.schemas.addresses import AddressPolicy
from corpusloom.schemas.errors import ConfigError, DamageError
from corpusloom.schemas.layout import MANIFEST
from corpusloom.schemas.manifest import read_manifest
from corpusloom.schemas.urls.guarded_http import addresses_of

if TYPE_CHECKING:
    from corpusloom.pipelines.datasets.damage import Damage
    from corpusloom.pipelines.datasets.verify import Depth


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
    allow_addresses: tuple[str, ...] = ()
    """Private networks (NET or NET:PORT) whose servers an index of foreign tars may name."""
    output: OutputFlags = field(default_factory=OutputFlags)

    def run(self) -> int:
        """Verify."""
        from corpusloom.pipelines.datasets.damage import describe, remedy_of, to_json
        from corpusloom.pipelines.datasets.verify import unproved

        if self.quick and self.deep:
            raise ConfigError("--quick and --deep contradict each other", remedy="give one of them")
        depth: Depth = "quick" if self.quick else "deep" if self.deep else "full"
        damages = self._damages(depth)
        if damages and self.repair:
            from corpusloom.pipelines.datasets.repair import repair

            repair(self.dataset, damages)
            damages = self._damages(depth)
        if self.output.json:
            show(to_json(damages, self.dataset), lines=True)
        for damage in [] if self.output.json else damages:
            show(f"damaged: {damage.where}: {describe(damage)} ({remedy_of(damage, self.dataset)})", err=True)
        if not damages and not self.output.json:
            show(f"{self.dataset}: whole ({depth}{unproved(read_manifest(self.dataset), depth)})")
        return 1 if damages else 0

    def _damages(self, depth: "Depth") -> "list[Damage]":
        """Return all damage; a manifest that cannot be read is all that can be found."""
        from corpusloom.pipelines.datasets.verify import unreadable, verify
        from corpusloom.trainers.stream.foreign.index_tars import check_tar

        try:
            manifest, proved = read_manifest(self.dataset), [0]
        except DamageError as error:
            return [unreadable(error, MANIFEST)]

        def count() -> None:
            proved[0] += 1

        policy = AddressPolicy((*self.allow_addresses, *addresses_of([self.dataset])))
        with self.output.reporter().stage("verify", len(manifest.shards), lambda: proved[0], unit="shards"):
            return list(verify(self.dataset, depth, on_shard=count, check_tar=check_tar, policy=policy))
