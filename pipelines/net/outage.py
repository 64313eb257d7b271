"""Detects that our own network is down, so that a run stops instead of marking every host as dead."""

from dataclasses import dataclass, field

from corpusloom.schemas.errors import InputError

FEW_HOSTS = 20
"""Hosts that must fail before a run of failures is evidence against our own network."""


@dataclass
class OutageDetector:
    """Counts consecutive errors of name resolution and connection, over all hosts.

    Args:
      stop_after: Errors in a row, over more than FEW_HOSTS hosts, after which `failed` raises.
    """

    stop_after: int
    _failures: int = 0
    _hosts: set[str] = field(default_factory=set)

    def responded(self) -> None:
        """Reset the count: some host responded."""
        self._failures = 0
        self._hosts.clear()

    def failed(self, host: str, error: str) -> None:
        """Count an error before a response; raise InputError if our own network seems to be down."""
        self._failures += 1
        if len(self._hosts) < FEW_HOSTS:
            self._hosts.add(host)
        elif self._failures >= self.stop_after:
            raise InputError(
                f"{self._failures} fetches in a row ended with {error}",
                where="network",
                remedy="check the connection and the resolver; run again for the rest, with --retry dead for these",
            )
