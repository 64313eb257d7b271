"""`loom verify`: does a dataset add up?"""

import sys
from dataclasses import dataclass
from typing import Annotated

import tyro

from schemas.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Command:
    """Prove a dataset: every hash, every offset, every count. Exit code 1 when something is damaged.

    Examples:
      loom verify data/m3w
      loom verify data/m3w --quick
      loom verify data/m3w --repair
    """

    dataset: Annotated[str, tyro.conf.Positional]
    """Folder of the dataset."""
    quick: bool = False
    """Only sizes, footers and counts."""
    deep: bool = False
    """Also the bytes of every member."""
    repair: bool = False
    """Write what is damaged anew, from the stages that the dataset was built from, and verify again."""
    json: bool = False
    """Print the damage as JSON."""

    def run(self) -> int:
        """Verify."""
        from pipelines.verify import to_json, verify

        if self.quick and self.deep:
            raise ConfigError("--quick and --deep contradict each other", remedy="give one of them")
        depth = "quick" if self.quick else "deep" if self.deep else "full"
        damages = list(verify(self.dataset, depth))  # type: ignore[arg-type]
        if damages and self.repair:
            from pipelines.repair import repair

            repair(self.dataset, damages)
            damages = list(verify(self.dataset, depth))  # type: ignore[arg-type]
        if self.json:
            print(to_json(damages))
        for damage in [] if self.json else damages:
            print(f"damaged: {damage.where}: {damage.what} ({damage.remedy})", file=sys.stderr)
        if not damages and not self.json:
            print(f"{self.dataset}: whole ({depth})")
        return 1 if damages else 0
