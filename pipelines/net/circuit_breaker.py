"""Circuit breaker and fetch budget per host. The caller passes the time, so tests need not sleep."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class _HostState:
    failures: int = 0
    open_until: float = 0.0
    fetches: int = 0


@dataclass
class CircuitBreaker:
    """Refuses hosts that keep failing, and hosts whose budget is spent.

    Args:
      max_failures: Failures in a row that open the breaker of a host.
      open_seconds: Seconds after which one fetch is let through as a probe.
      max_fetches: Budget of fetches per host; None is no limit.
    """

    max_failures: int
    open_seconds: float
    max_fetches: int | None = None
    _hosts: dict[str, _HostState] = field(default_factory=dict)

    def refuses(self, host: str, now: float) -> bool:
        """Return whether the breaker of a host is open; once per `open_seconds` it lets a probe through."""
        state = self._hosts.get(host)
        if state is None or state.failures < self.max_failures:
            return False
        if now < state.open_until:
            return True
        state.open_until = now + self.open_seconds
        return False

    def open(self, host: str, until: float) -> None:
        """Open the breaker of a host until a time, since the host sent a long Retry-After."""
        state = self._hosts.setdefault(host, _HostState())
        state.failures, state.open_until = max(state.failures, self.max_failures), until

    def spend(self, host: str) -> bool:
        """Take one fetch from the budget of a host; return False if it is spent."""
        if self.max_fetches is None:
            return True
        state = self._hosts.setdefault(host, _HostState())
        state.fetches += 1
        return state.fetches <= self.max_fetches

    def report(self, host: str, *, failed: bool, now: float) -> None:
        """Count a failure of a host, or reset its count after a success."""
        state = self._hosts.get(host)
        if state is None:
            if not failed:
                return
            state = self._hosts[host] = _HostState()
        state.failures = state.failures + 1 if failed else 0
        if state.failures == self.max_failures:
            state.open_until = now + self.open_seconds
