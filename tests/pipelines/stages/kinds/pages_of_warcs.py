"""WARC records for tests of the kinds of records."""

from corpusloom.pipelines.store.warc.responses import HtmlResponse


def response(
    *,
    url: str = "http://example.org/a",
    record_id: str = "<urn:uuid:1>",
    fetched_at: str = "2020-05-06T07:08:09Z",
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"<p>x",
) -> HtmlResponse:
    """Return a response record."""
    return HtmlResponse(
        url=url,
        record_id=record_id,
        offset=0,
        fetched_at=fetched_at,
        status=200,
        headers=headers,
        content_type="text/html",
        body=body,
    )
