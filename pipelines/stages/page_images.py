"""The images that the pages of WARCs show, wherever they stand: what any build would want to fetch."""

from collections.abc import Iterable, Iterator

from corpusloom.pipelines.extract.alt_texts import PageImages
from corpusloom.pipelines.extract.page_task import HtmlPage, extract_page_images
from corpusloom.pipelines.stages.page_pool import page_pool
from corpusloom.pipelines.store.warc.reading import read_warc
from corpusloom.pipelines.store.warc.responses import HtmlResponse


def page_images(warcs: Iterable[str], workers: int = 0) -> Iterator[str]:
    """Yield the URLs of the images of each page, in order; a page that cannot be read shows none.

    `workers` processes read the pages, so that a hostile one costs no more than itself; 0 reads them in this one.
    """

    def pages() -> Iterator[HtmlPage]:
        for warc in warcs:
            for record in read_warc(warc):
                if isinstance(record, HtmlResponse):
                    yield HtmlPage(record.body, record.url, record.content_type)

    with page_pool(extract_page_images, workers) as pool:
        for found in pool.map(pages()):
            if isinstance(found, PageImages):
                yield from (image.url for image in found.images)
