"""The session: the policy checks every resolved address and socket; refusals are found behind aiohttp's errors."""

import asyncio
import socket
import time

import pytest

from corpusloom.pipelines.net.exchange.names import Names
from corpusloom.pipelines.net.exchange.session import GuardedResolver, is_local_name
from corpusloom.pipelines.net.exchange.timeouts import Deadlines
from corpusloom.schemas.addresses import AddressPolicy, RefusedError


def resolve(addresses: list[str], host: str = "a.example", port: int = 80) -> list[tuple[str, int]]:
    async def run() -> list[tuple[str, int]]:
        resolver = GuardedResolver(AddressPolicy(), Names(lambda _: addresses, 1.0, 60.0))
        return [(row["host"], row["family"]) for row in await resolver.resolve(host, port)]

    return asyncio.run(run())


def test_public_addresses_are_returned_in_order_with_their_family() -> None:
    found = resolve(["93.184.215.14", "2606:4700::1111"])
    assert found == [("93.184.215.14", socket.AF_INET), ("2606:4700::1111", socket.AF_INET6)]


def test_one_forbidden_address_refuses_the_name() -> None:
    with pytest.raises(RefusedError) as caught:
        resolve(["93.184.215.14", "10.0.0.1"])
    assert caught.value.reason == "address_not_public"


def test_a_cached_name_is_checked_for_each_connection() -> None:
    async def run() -> list[str]:
        names = Names(lambda _: ["93.184.215.14"], 1.0, 60.0)
        resolver = GuardedResolver(AddressPolicy(), names)
        found = [row["host"] for row in await resolver.resolve("a.example", 80)]
        with pytest.raises(RefusedError) as caught:
            await resolver.resolve("a.example", 22)
        return [*found, caught.value.reason]

    assert asyncio.run(run()) == ["93.184.215.14", "port_not_allowed"]


def test_a_name_has_its_own_time_and_the_time_to_connect_begins_after_it() -> None:
    """The fetch may take 0.2 s, the name takes 0.4 s, and then 0.2 s are left to connect."""

    async def run() -> tuple[str | None, float]:
        deadlines = Deadlines()
        deadline = deadlines.begin(0.2)
        resolver = GuardedResolver(AddressPolicy(), Names(slow, 1.0, 60.0), deadlines, 0.1)
        start = time.monotonic()
        try:
            await asyncio.create_task(resolver.resolve("a.example", 80))
            resolved = time.monotonic() - start
            await asyncio.sleep(9)
        except asyncio.CancelledError:
            return deadline.absorb(), resolved
        finally:
            deadlines.close(deadline)
        return None, 0.0

    def slow(host: str) -> list[str]:
        time.sleep(0.4)
        return ["93.184.215.14"]

    passed, resolved = asyncio.run(run())
    assert passed == "connect"
    assert 0.4 <= resolved < 1.0


def test_a_name_without_an_address_is_an_error() -> None:
    with pytest.raises(OSError, match=r"a\.example has no address"):
        resolve([])


@pytest.mark.parametrize("host", ["localhost", "x.localhost", "a.b.localhost"])
def test_loopback_names_are_never_resolved_elsewhere(host: str) -> None:
    assert is_local_name(host)
    with pytest.raises(RefusedError, match=r"127\.0\.0\.1"):
        resolve(["93.184.215.14"], host)


@pytest.mark.parametrize("host", ["localhost.example", "notlocalhost", "local"])
def test_other_names_are_not_loopback_names(host: str) -> None:
    assert not is_local_name(host)
