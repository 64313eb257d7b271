"""Decodes a video stream frame by frame, in bounded memory, with one thread: the same frames on any machine.

Times are milliseconds from the first frame. What a broken file says of its times is not trusted: a frame without a
time follows the one before it at the stream's rate, and a frame that goes back in time is left out.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, TypeVar

import av
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from corpusloom.schemas import storage
from corpusloom.schemas.verdicts import Rejected

Mark = TypeVar("Mark")
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,m4v,h264,hevc,av1,obu,ivf,flv,asf,ogg,mxf,nut,"
    "dv,rm,wtv,yuv4mpegpipe"
)
"""FFmpeg's readers that may open a file: none of them opens another file or URL, as those of playlists do."""
FALLBACK_RATE = 25
"""Frames per second where a stream states none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one video; a video beyond one of them is rejected."""

    pixels: int = 1 << 25
    """Pixels per frame, at most: 8K has 33 million."""
    seconds: int = 12 * 3600
    """Seconds between the first and the last frame, at most."""
    decoded_pixels: int = 3 * 10**12
    """Pixels of all frames, at most: 13 hours of 1080p at 30 frames per second."""
    stored_bytes: int = 4 << 30
    """Bytes of all stored frames, at most: 10 hours of frames of 100 kB."""


class RefusedVideo(Exception):  # noqa: N818
    """A video that has no clips, and why."""

    def __init__(self, verdict: Rejected) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict


class Needed(Protocol):
    """The frames that have to be decoded."""

    @property
    def first(self) -> int:
        """Time of the first frame; nothing is left out unless the decoder's first frame has this time."""

    @property
    def times(self) -> frozenset[int]:
        """Times of the frames in units of the stream."""


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """A decoded frame and the time for which it is shown, in milliseconds."""

    frame: VideoFrame
    start: Fraction
    duration: Fraction
    """0 if it is unknown."""

    @property
    def end(self) -> Fraction:
        """Return the end of its time; the next frame may begin earlier or later."""
        return self.start + self.duration


@contextmanager
def open_video(path: str, limits: Limits) -> Iterator[tuple["av.container.InputContainer", VideoStream]]:
    """Open a file with its best video stream: the one marked default, else the largest, else the first.

    Cover pictures are no video streams. Raises RefusedVideo: not_a_video, no_video, unknown_codec, too_many_pixels.
    """
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
    local = storage.is_local(path)
    try:
        source = f"file:{storage.filesystem(path)[1]}" if local else storage.open_input(path)
        container = av.open(source, "r", options=options, metadata_errors="replace")
    except (av.FFmpegError, ValueError) as error:
        raise_if_memory(error)
        raise RefusedVideo(Rejected("not_a_video")) from error
    with container:
        streams = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
        if not streams:
            raise RefusedVideo(Rejected("no_video"))
        known = [stream for stream in streams if stream.codec_context is not None]
        if not known:
            raise RefusedVideo(Rejected("unknown_codec"))
        stream = min(known, key=_order)
        context = stream.codec_context
        check_pixels(context.width, context.height, limits)
        context.thread_count = 1
        context.options = {"max_pixels": str(limits.pixels)}
        yield container, stream


def _order(stream: VideoStream) -> tuple[bool, int, int]:
    default = bool(stream.disposition & av.stream.Disposition.default)
    return not default, -stream.codec_context.width * stream.codec_context.height, stream.index


def check_pixels(width: int, height: int, limits: Limits) -> None:
    """Raise RefusedVideo for a frame of too many pixels."""
    if width * height > limits.pixels:
        raise RefusedVideo(Rejected("too_many_pixels", float(width * height), float(limits.pixels)))


def raise_if_memory(error: BaseException) -> None:
    """Raise MemoryError for an error of FFmpeg that says so: it ends the whole video, not one packet."""
    if isinstance(error, MemoryError):
        raise MemoryError(str(error)) from error


def decoded(
    container: "av.container.InputContainer",
    stream: VideoStream,
    problems: Counter[str],
    needed: Needed | None = None,
) -> Iterator[VideoFrame]:
    """Yield the frames that can be decoded, in order; `problems` counts packets that cannot, and a broken end.

    With `needed`, frames at other times may be left out.
    """
    packets = container.demux(stream)
    context, skips = stream.codec_context, False
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.FFmpegError as error:
            raise_if_memory(error)
            problems["broken_end"] += 1
            return
        if skips and needed is not None:
            context.skip_frame = "DEFAULT" if packet.pts is None or packet.pts in needed.times else "NONREF"
        try:
            frames = packet.decode()
        except av.FFmpegError as error:
            raise_if_memory(error)
            problems["broken_packets"] += 1
            continue
        for frame in frames:
            skips = skips or (needed is not None and frame.pts == needed.first)
            yield frame


def timed(
    frames: Iterator[VideoFrame], stream: VideoStream, limits: Limits, problems: Counter[str]
) -> Iterator[TimedFrame]:
    """Yield frames with their times, each later than the one before it. Raises RefusedVideo at a limit."""
    unit = Fraction(stream.time_base or Fraction(1, 1000)) * 1000
    step = 1000 / Fraction(stream.average_rate or FALLBACK_RATE)
    origin: Fraction | None = None
    before, pixels = Fraction(-1), 0
    for frame in frames:
        check_pixels(frame.width, frame.height, limits)
        pixels += frame.width * frame.height
        if pixels > limits.decoded_pixels:
            raise RefusedVideo(Rejected("video_too_long", float(pixels), float(limits.decoded_pixels)))
        following = before + step if before >= 0 else Fraction(0)
        if frame.pts is None:
            start = following
            problems["frames_without_time"] += 1
        else:
            origin = frame.pts * unit - following if origin is None else origin
            start = frame.pts * unit - origin
        if start <= before:
            problems["frames_out_of_order"] += 1
            continue
        if start > limits.seconds * 1000:
            raise RefusedVideo(Rejected("video_too_long", float(start / 1000), float(limits.seconds)))
        before = start
        yield TimedFrame(frame, start, max(frame.duration or 0, 0) * unit)


def frames_at(frames: Iterator[TimedFrame], times: Iterator[tuple[int, Mark]]) -> Iterator[tuple[Mark, TimedFrame]]:
    """Yield per time, ascending and in ms, the last frame that begins at or before it, until the last frame ends."""
    shown: TimedFrame | None = None
    wanted = next(times, None)
    for frame in frames:
        while shown is not None and wanted is not None and wanted[0] < frame.start:
            yield wanted[1], shown
            wanted = next(times, None)
        if wanted is None:
            return
        shown = frame
    while shown is not None and wanted is not None and wanted[0] < max(shown.end, shown.start + 1):
        yield wanted[1], shown
        wanted = next(times, None)
