"""The images that the pages of WARCs show, wherever they stand: what any build would want to fetch."""

from collections.abc import Iterable, Iterator

from corpusloom.pipelines.extract import alt_texts
from corpusloom.pipelines.extract.pool import ExtractPool, Item, PoolConfig
from corpusloom.pipelines.store.warc.reading import read_warc
from corpusloom.pipelines.store.warc.responses import HtmlResponse


def page_images(warcs: Iterable[str], workers: int = 0) -> Iterator[str]:
    """Yield the URLs of the images of each page, in order; a page that cannot be read shows none.

    `workers` processes read the pages, so that a hostile one costs no more than itself; 0 reads them in this one.
    """

    def pages() -> Iterator[Item]:
        for warc in warcs:
            for record in read_warc(warc):
                if isinstance(record, HtmlResponse):
                    yield record.body, record.url, record.content_type

    with ExtractPool(PoolConfig(size=workers), task=alt_texts.page_images) as pool:
        for found in pool.map(pages()):
            if isinstance(found, alt_texts.PageImages):
                yield from (image.url for image in found.images)
