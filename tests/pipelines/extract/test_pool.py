"""The worker pool: order, and what a lost worker costs."""

from pipelines.extract.pool import ExtractPool, PoolConfig

PAGES = [
    (f"<html><body><p>Page number {n} has some text.</p></body></html>".encode(), f"http://a.example/{n}", None)
    for n in range(9)
]


def texts(results: list) -> list[str]:
    return [result.blocks[0].text for result in results]


def test_results_come_in_order_and_equal_those_in_process() -> None:
    with ExtractPool(PoolConfig(size=2, chunk_pages=2)) as pool:
        pooled = list(pool.map(PAGES))
    assert pooled == list(ExtractPool(PoolConfig(size=0)).map(PAGES))
    assert "number 8" in texts(pooled)[8]
