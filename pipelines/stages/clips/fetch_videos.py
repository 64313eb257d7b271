"""Fetches the videos of URL lists, each URL once: its first final outcome stays in the folder and later builds read it.

Beside each video lies a report; a URL without one is fetched by the next run. robots.txt, opt-outs, delays and the
policy of addresses are those of every fetch.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.net.exchange.response import FetchOutcome, Response
from corpusloom.pipelines.net.scheduler import fetch_all
from corpusloom.pipelines.stages.clips.cut_video import Video
from corpusloom.pipelines.store.lists.list_config import ListConfig
from corpusloom.pipelines.store.lists.list_rows import BadRow, read_list
from corpusloom.pipelines.store.stages import DELETE_STAGE
from corpusloom.schemas import identity, storage
from corpusloom.schemas.guards import json_files
from corpusloom.schemas.verdicts import Dead, Rejected

MAX_BYTES = 256_000_000
"""Bytes of a video, at most; it is in memory while it is fetched."""
CONNECTIONS = 4
TOTAL_SECONDS = 900.0
"""Time limit for a video with its redirects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow:
    """A row of a list without a video, and why."""

    key: str
    url: str
    verdict: Rejected | Dead


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedVideo:
    """The outcome of a URL."""

    url: str
    sha256: str = ""
    """Empty if there is no video."""
    bytes: int = 0
    rejected: str = ""
    dead: str = ""


def listed_videos(
    lists: Iterable[str], columns: ListConfig, folder: str, fetch: FetchConfig
) -> tuple[list[Video], list[RefusedRow]]:
    """Return the videos of the lists' rows, fetched into `folder`, and the rows without one.

    Raises ConfigError without a contact if something has to be fetched, InputError for a list that cannot be read.
    """
    rows = [(path.rpartition("/")[2], row) for pattern in lists for path in storage.expand(pattern)
            for row in read_list(path, columns)]  # fmt: skip
    refused = [
        RefusedRow(key=identity.make_key("video-row", name, str(row.number)), url=row.text, verdict=row.verdict)
        for name, row in rows
        if isinstance(row, BadRow)
    ]
    good = [row for _, row in rows if not isinstance(row, BadRow)]
    known = fetch_missing([row.url for row in good], folder, fetch)
    videos = []
    for row in good:
        made = known[row.url]
        if made.sha256:
            path = _path(folder, row.url)
            videos.append(
                Video(path=path, name=row.url, sha256=made.sha256, bytes=made.bytes, caption=row.caption or "")
            )
        else:
            verdict = Dead(made.dead) if made.dead else Rejected(made.rejected)
            refused.append(RefusedRow(key=identity.make_key("video-url", row.url), url=row.url, verdict=verdict))
    videos.sort(key=lambda video: (video.sha256, video.name, video.caption))
    return videos, sorted(refused, key=lambda row: (row.key, row.url))


def fetch_missing(urls: Iterable[str], folder: str, fetch: FetchConfig) -> dict[str, FetchedVideo]:
    """Return the outcome of each URL; those without one in `folder` are fetched first."""
    wanted = dict.fromkeys(urls)
    missing = [url for url in wanted if not storage.exists(_report(folder, url))]
    if missing:
        fetch.require_contact()
        limits = replace(fetch, max_page_bytes=MAX_BYTES, connections=CONNECTIONS, total_timeout=TOTAL_SECONDS)
        fetch_all(missing, limits, kind="page", on_outcome=lambda url, found: _keep(folder, url, found))
    return {url: _read(folder, url) for url in wanted}


def _keep(folder: str, url: str, outcome: FetchOutcome) -> None:
    """Store the body of a response, then the report."""
    made = FetchedVideo(url=url)
    match outcome:
        case Rejected():
            made = replace(made, rejected=outcome.reason)
        case Dead():
            made = replace(made, dead=outcome.error)
        case Response() if outcome.truncated:
            made = replace(made, rejected="video_too_large")
        case Response() if not outcome.body:
            made = replace(made, rejected="empty_body")
        case Response():
            storage.write_bytes(_path(folder, url), outcome.body)
            made = replace(made, sha256=hashlib.sha256(outcome.body).hexdigest(), bytes=len(outcome.body))
    storage.write_bytes(_report(folder, url), json_files.seal(asdict(made)))


def _read(folder: str, url: str) -> FetchedVideo:
    path = _report(folder, url)
    return json_files.as_record(json_files.read_object(path, DELETE_STAGE), FetchedVideo, path, DELETE_STAGE)


def _path(folder: str, url: str) -> str:
    return storage.join(folder, f"{identity.make_key('video-url', url)}.video")


def _report(folder: str, url: str) -> str:
    return storage.join(folder, f"{identity.make_key('video-url', url)}.json")
