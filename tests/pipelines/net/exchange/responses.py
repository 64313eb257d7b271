"""Responses for tests, without a connection."""

from corpusloom.pipelines.net.exchange.response import Response

DATE = "2026-01-02T03:04:05Z"


def make_response(url: str = "http://a.example/", status: int = 200, **headers: str) -> Response:
    """Return a response with headers; underscores in their names stand for hyphens."""
    found = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Response(
        url=url,
        final_url=url,
        status=status,
        request=b"",
        response_head=b"",
        wire_body=b"",
        body=b"",
        headers=found,
        fetched_at=DATE,
    )
