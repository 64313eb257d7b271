"""The worker pool that parses pages: in processes, since a hanging HTML parser can only be killed, not interrupted."""

from typing import TypeVar

from corpusloom.pipelines.engine.worker_pool import PoolConfig, WorkerPool
from corpusloom.pipelines.extract.page_task import HtmlPage, PageTask, html_bytes
from corpusloom.schemas.verdicts import Dead, Rejected

Parsed = TypeVar("Parsed")


def page_pool(task: PageTask[Parsed], workers: int) -> WorkerPool[HtmlPage, Parsed | Rejected | Dead]:
    """Return a pool of `workers` processes that parse pages; 0 parses them in this process."""
    return WorkerPool(
        task, PoolConfig(size=workers), cost=html_bytes, preload=["corpusloom.pipelines.extract.page_task"]
    )
