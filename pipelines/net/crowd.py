"""Many URLs at once: one asyncio loop that interleaves hosts, so that a slow one never holds the rest."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Literal

from pipelines.net.config import FetchConfig
from pipelines.net.fetcher import Fetcher, Outcome, Resolver
from pipelines.net.politeness import PoliteFetcher
from schemas import identity

ACTIVE_DOMAINS = 256


def fetch_all(
    urls: Iterable[str],
    config: FetchConfig,
    *,
    kind: Literal["page", "image"],
    on_outcome: Callable[[str, Outcome], None],
    resolver: Resolver | None = None,
) -> None:
    """Fetch every URL and hand each outcome over as it comes, in the order of arrival. Runs its own loop."""
    queues: dict[str, deque[str]] = defaultdict(deque)
    for url in urls:
        queues[identity.registered_domain(identity.host_of(url))].append(url)
    asyncio.run(_fetch_domains(deque(queues.values()), config, kind, on_outcome, resolver))


async def _fetch_domains(
    domains: "deque[deque[str]]",
    config: FetchConfig,
    kind: Literal["page", "image"],
    on_outcome: Callable[[str, Outcome], None],
    resolver: Resolver | None,
) -> None:
    async with Fetcher(config, resolver) as fetcher:
        polite = PoliteFetcher(fetcher, kind)
        slots = config.page_slots if kind == "page" else config.image_slots
        workers = slots if config.delay != 0 else max(slots, 8)

        async def drain(queue: "deque[str]") -> None:
            while queue:
                url = queue.popleft()
                on_outcome(url, await polite.get(url))

        async def next_domains() -> None:
            while domains:
                queue = domains.popleft()
                await asyncio.gather(*(drain(queue) for _ in range(min(workers, len(queue)))))

        async with asyncio.TaskGroup() as group:
            for _ in range(min(ACTIVE_DOMAINS, len(domains))):
                group.create_task(next_domains())
