"""One video -> a tar of its clips and a sidecar, by a worker process that may be killed.

A clip's sample is written as soon as its frames are decoded, so memory does not grow with the length of a video.
"""

import hashlib
import itertools
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import av

from corpusloom.pipelines.extract.caption_cleaning import clean_caption
from corpusloom.pipelines.stages.clips.cuts import Cut, cuts_at_cues, cuts_at_steps, times_of
from corpusloom.pipelines.stages.clips.decoding import (
    Limits,
    RefusedVideo,
    TimedFrame,
    decoded,
    frames_at,
    open_video,
    timed,
)
from corpusloom.pipelines.stages.clips.pictures import picture
from corpusloom.pipelines.stages.clips.skipping import needed_frames
from corpusloom.pipelines.stages.clips.subtitles import MAX_BYTES, read_subtitles
from corpusloom.pipelines.store.dataset import tars
from corpusloom.pipelines.store.dataset.samples import UnwrittenSample, members_of, split_of, to_json
from corpusloom.pipelines.store.images.resize import Resize
from corpusloom.schemas import arrow, identity, layout, storage, tables
from corpusloom.schemas.errors import LoomError
from corpusloom.schemas.records import Member, SidecarRow, VideoClip
from corpusloom.schemas.urls.redaction import redacted
from corpusloom.schemas.verdicts import Dead, Kept, Rejected, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """A video file and the texts that belong to it."""

    path: str
    name: str
    """URL, or path below the folder that was given."""
    sha256: str
    bytes: int
    caption: str = ""
    """Caption of the list."""
    subtitles: str | None = None
    """File of subtitles."""
    language: str | None = None
    """Language of the subtitles by their file's name."""

    @property
    def key(self) -> str:
        """Return the key of the video, which does not depend on its name."""
        return identity.make_key("video", self.sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutConfig:
    """How videos are cut."""

    folder: str
    """Folder of the fragments: a tar and a sidecar per video."""
    resize: Resize
    longest: int = 30_000
    """Milliseconds of a clip, at most."""
    fps: float = 1.0
    validation: float = 0.0
    """Share of videos in the split val."""
    limit: int | None = None
    """Clips per video, at most."""
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutVideo:
    """The result of one video."""

    verdict: Verdict
    remarks: tuple[str, ...] = ()
    """Faults of a video that is kept."""
    clips: tuple[str, ...] = ()
    """Keys of the clips that were written."""
    late: tuple[str, ...] = ()
    """Keys of the clips whose cues are after the end of the video."""


def fragment_paths(folder: str, sha256: str) -> tuple[str, str]:
    """Return the paths of a video's tar and sidecar."""
    return storage.join(folder, f"{sha256}.tar"), storage.join(folder, f"{sha256}.parquet")


def cut_video(video: Video, config: CutConfig) -> CutVideo:
    """Write the clips of a video as a tar and a sidecar; whatever is wrong with the video is its verdict."""
    problems: Counter[str] = Counter()
    try:
        return _cut(video, config, problems)
    except RefusedVideo as refused:
        return CutVideo(verdict=refused.verdict)
    except MemoryError as error:
        return CutVideo(verdict=Dead("MemoryError", str(error)[:500]))
    except LoomError:
        raise
    except Exception as error:  # hostile bytes must end as a verdict
        return CutVideo(verdict=Dead(type(error).__name__, str(error)[:500], traceback.format_exc()[-4000:]))


def _cut(video: Video, config: CutConfig, problems: Counter[str]) -> CutVideo:
    with open_video(video.path, config.limits) as (container, stream):
        text = _texts(video, container, config, problems)
        steps = cuts_at_steps(text.text, config.longest)
        chosen = tuple(itertools.islice(text.cuts or steps, config.limit)) if text.cuts or config.limit else None
        writer = _ClipWriter(video, config, text)
        times = (at for cut in chosen or cuts_at_steps(text.text, config.longest) for at in times_of(cut, config.fps))
        needed = needed_frames(video.path, config.limits, times)
        frames = timed(decoded(container, stream, problems, needed), stream, config.limits, problems)
        tar, sidecar = fragment_paths(config.folder, video.sha256)
        tars.write_shard(tar, writer.samples(frames, iter(chosen or steps)), writer.add_row)
    if writer.rows:
        tables.write_records(sidecar, SidecarRow, writer.rows, sort_by=("key",))
    keys = tuple(row.key for row in writer.rows)
    known = set(keys)
    late = tuple(key for key in (clip_key(video, cut) for cut in text.cuts[: config.limit]) if key not in known)
    if not keys:
        return CutVideo(verdict=Rejected("no_frames" if writer.end is None else "cues_after_end"), late=late)
    return CutVideo(verdict=Kept(), remarks=tuple(sorted(problems)), clips=keys, late=late)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Texts:
    """The text of a video's clips."""

    source: str
    """subtitles, caption or title."""
    text: str = ""
    """Text of every clip, unless there are cues."""
    cuts: tuple[Cut, ...] = ()
    """Clips of the subtitles' cues."""


def _texts(video: Video, container: "av.container.InputContainer", config: CutConfig, problems: Counter[str]) -> _Texts:
    """Return the subtitles of a video, else its caption, else the title that the file states."""
    if video.subtitles is not None:
        data = storage.read_bytes(video.subtitles, 0, MAX_BYTES + 1)
        subtitles = read_subtitles(data[:MAX_BYTES])
        problems.update(["bad_cues"] * (subtitles.bad > 0 or len(data) > MAX_BYTES))
        if subtitles.cues:
            return _Texts(source="subtitles", cuts=tuple(cuts_at_cues(subtitles.cues, config.longest)))
        problems["no_cues"] += 1
    for source, text in (("caption", video.caption), ("title", container.metadata.get("title", ""))):
        cleaned = clean_caption(text).text
        if cleaned:
            return _Texts(source=source, text=cleaned)
    raise RefusedVideo(Rejected("no_text"))


def clip_key(video: Video, cut: Cut) -> str:
    """Return the key of a clip: that of the video's bytes and the clip's start."""
    return identity.make_key("clip", video.sha256, str(cut.start))


@dataclass(frozen=True, slots=True)
class _Picture:
    """A frame of a clip, encoded."""

    data: bytes
    width: int
    height: int
    start: float
    """Time of the frame in seconds from the first frame of the video."""


class _ClipWriter:
    """Makes the samples of one video, and their rows once they are written."""

    def __init__(self, video: Video, config: CutConfig, text: _Texts) -> None:
        self.rows: list[SidecarRow] = []
        self.end: int | None = None
        """End of the last frame so far, in milliseconds; None before the first frame."""
        self._video, self._config, self._text = video, config, text
        self._bytes = 0
        self._is_over = False
        self._latest: UnwrittenSample | None = None

    def samples(self, frames: Iterator[TimedFrame], cuts: Iterator[Cut]) -> Iterator[tuple[str, dict[str, bytes]]]:
        """Yield (key, members) of each clip that has a frame. `cuts` may be endless."""
        times = ((at, cut) for cut in cuts for at in (*times_of(cut, self._config.fps), cut.end))
        shown = frames_at(self._watched(frames), ((at, (cut, at)) for at, cut in times))
        pictures = self._encoded((mark, frame) for mark, frame in shown if mark[1] < mark[0].end)
        for cut, group in itertools.groupby(pictures, key=lambda item: item[0]):
            yield self._sample(cut, [shown for _, shown in group])

    def _watched(self, frames: Iterator[TimedFrame]) -> Iterator[TimedFrame]:
        for frame in frames:
            self.end = round(frame.end)
            yield frame
        self._is_over = True

    def _encoded(self, shown: Iterator[tuple[tuple[Cut, int], TimedFrame]]) -> Iterator[tuple[Cut, _Picture]]:
        """Encode each frame once, however many seconds it is shown. Raises RefusedVideo at the limit of bytes."""
        latest: tuple[TimedFrame, _Picture] | None = None
        for (cut, _), item in shown:
            if latest is None or latest[0] is not item:
                data, width, height = picture(item.frame, self._config.resize)
                latest = item, _Picture(data, width, height, round(float(item.start)) / 1000)
            self._bytes += len(latest[1].data)
            most = self._config.limits.stored_bytes
            if self._bytes > most:
                raise RefusedVideo(Rejected("frames_too_large", float(self._bytes), float(most)))
            yield cut, latest[1]

    def _sample(self, cut: Cut, pictures: list[_Picture]) -> tuple[str, dict[str, bytes]]:
        key, video, config = clip_key(self._video, cut), self._video, self._config
        end = min(cut.end, max(self.end or 0, cut.start)) if self._is_over else cut.end
        clip = VideoClip(
            key=key,
            parent=video.key,
            video_url=redacted(video.name),
            video_sha256=video.sha256,
            text=cut.text,
            text_source=self._text.source,
            subtitle_language=video.language if self._text.cuts else None,
            start=cut.start / 1000,
            end=end / 1000,
            fps=config.fps,
            frames=len(pictures),
            frame_times=tuple(item.start for item in pictures),
        )
        frames = {layout.image_field(number, config.resize.format): item for number, item in enumerate(pictures)}
        known = {name: _member(name, item) for name, item in frames.items()}
        row = SidecarRow(
            key=key,
            url=clip.video_url,
            caption=clip.text,
            text_length=len(clip.text),
            images=len(pictures),
            width=pictures[0].width,
            height=pictures[0].height,
            sha256=known[min(known)].sha256,
            split=split_of(video.sha256, config.validation),
        )
        members = {name: item.data for name, item in frames.items()}
        members |= {"txt": clip.text.encode(), "json": to_json(arrow.to_plain(clip))}
        self._latest = UnwrittenSample(key, members, row, {}, known)
        return key, members

    def add_row(self, key: str, places: tuple[tars.MemberPlace, ...]) -> None:
        """Add the row of the sample that was written last."""
        sample = self._latest
        if sample is not None and sample.key == key:
            self.rows.append(replace(sample.row, members=members_of(sample, places)))


def _member(name: str, item: _Picture) -> Member:
    """Return a frame's sha256 and size; its place in the tar is not known yet."""
    sha256 = hashlib.sha256(item.data).hexdigest()
    return Member(
        field=name, offset=0, size=len(item.data), sha256=sha256, stored_sha256=sha256, width=item.width,
        height=item.height,
    )  # fmt: skip
