"""The circuit breaker under a clock that the test sets: failures in a row, probes, and budgets."""

from corpusloom.pipelines.net.circuit_breaker import CircuitBreaker


def breaker(**options: int) -> CircuitBreaker:
    return CircuitBreaker(3, 60.0, **options)


def fail(hosts: CircuitBreaker, times: int, now: float = 0) -> None:
    for _ in range(times):
        hosts.report("h", failed=True, now=now)


def test_the_breaker_opens_at_its_limit_for_that_host_alone() -> None:
    hosts = breaker()
    fail(hosts, 2)
    assert not hosts.refuses("h", 0)
    fail(hosts, 1)
    assert hosts.refuses("h", 59.9)
    assert not hosts.refuses("other", 59.9)


def test_an_open_breaker_lets_one_probe_through_per_interval() -> None:
    hosts = breaker()
    fail(hosts, 3)
    assert not hosts.refuses("h", 60)
    assert hosts.refuses("h", 61)
    assert hosts.refuses("h", 119.9)
    assert not hosts.refuses("h", 120)


def test_a_successful_probe_closes_the_breaker() -> None:
    hosts = breaker()
    fail(hosts, 3)
    assert not hosts.refuses("h", 60)
    hosts.report("h", failed=False, now=61)
    assert not hosts.refuses("h", 61)
    fail(hosts, 2, now=62)
    assert not hosts.refuses("h", 62)


def test_failures_count_only_in_a_row() -> None:
    hosts = breaker()
    fail(hosts, 2)
    hosts.report("h", failed=False, now=0)
    fail(hosts, 2)
    assert not hosts.refuses("h", 0)


def test_a_host_that_asks_for_a_pause_is_refused_until_then() -> None:
    hosts = breaker()
    hosts.open("h", 3600)
    assert hosts.refuses("h", 3599.9)
    assert not hosts.refuses("h", 3600)


def test_a_budget_counts_per_host() -> None:
    hosts = breaker(max_fetches=2)
    assert [hosts.spend("h") for _ in range(3)] == [True, True, False]
    assert hosts.spend("other")


def test_without_a_budget_there_is_no_limit() -> None:
    assert all(breaker().spend("h") for _ in range(100))
