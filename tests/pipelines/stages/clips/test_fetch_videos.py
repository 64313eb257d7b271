"""The first final outcome of a URL stays; a body that is cut or empty is no video."""

from pathlib import Path

import pytest

from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.net.exchange.response import FetchOutcome, Response
from corpusloom.pipelines.stages.clips import fetch_videos as module
from corpusloom.pipelines.stages.clips.fetch_videos import fetch_missing
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.verdicts import Dead, Rejected

FETCH = FetchConfig(contact="https://corpusloom.example/test")
URL = "https://videos.example/a.mp4"


def response(body: bytes, truncated: str | None = None) -> Response:
    return Response(
        url=URL, final_url=URL, status=200, request=b"", response_head=b"", wire_body=body, body=body, headers=(),
        address=None, truncated=truncated, fetched_at="",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (response(b"video"), ("", "", 5)),
        (response(b"video", "length"), ("video_too_large", "", 0)),
        (response(b""), ("empty_body", "", 0)),
        (Rejected("robots_disallowed"), ("robots_disallowed", "", 0)),
        (Dead("timeout"), ("", "timeout", 0)),
    ],
)
def test_each_outcome_is_kept_and_not_asked_for_again(
    outcome: FetchOutcome, expected: tuple[str, str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fetch_all(urls, config, *, kind, on_outcome):  # type: ignore[no-untyped-def]
        assert (kind, config.max_page_bytes) == ("page", module.MAX_BYTES)
        for url in urls:
            asked.append(url)
            on_outcome(url, outcome)

    monkeypatch.setattr(module, "fetch_all", fetch_all)
    for _ in range(2):
        made = fetch_missing([URL, URL], str(tmp_path), FETCH)[URL]
        assert (made.rejected, made.dead, made.bytes) == expected
        assert bool(made.sha256) is (expected[2] > 0)
    assert asked == [URL]


def test_nothing_is_fetched_without_a_contact(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="contact"):
        fetch_missing([URL], str(tmp_path), FetchConfig(contact=None))
    assert fetch_missing([], str(tmp_path), FetchConfig(contact=None)) == {}
