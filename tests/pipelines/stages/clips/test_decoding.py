"""The frame at a time is the last that begins at or before it, whatever the codec, the rate and the damage."""

from collections import Counter
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from corpusloom.pipelines.stages.clips.decoding import (
    FORMATS,
    Limits,
    RefusedVideo,
    TimedFrame,
    decoded,
    frames_at,
    open_video,
    timed,
)
from corpusloom.pipelines.stages.clips.pictures import rgb
from corpusloom.pipelines.stages.clips.skipping import NeededFrames, needed_frames
from tests.pipelines.stages.clips.videos import HEIGHT, WIDTH, image_of, number_of, regular, write_header, write_video

IRREGULAR = [Fraction(n) for n in ("0", "0.04", "0.9", "1", "1.001", "2.5", "2.96", "3.04", "6", "6.5")]
LAST_AT = [0, 3, 4, 6, 7, 7, 8, 9]
"""Number of the last frame of IRREGULAR at each second, read off the list above by hand."""


def read(path: Path, seconds: int = 100, limits: Limits | None = None) -> tuple[list[int], Counter[str]]:
    """Return the numbers of the frames at seconds 0, 1, 2 ... and the problems."""
    problems: Counter[str] = Counter()
    limits = limits or Limits()
    with open_video(str(path), limits) as (container, stream):
        frames = timed(decoded(container, stream, problems), stream, limits, problems)
        times = ((1000 * second, second) for second in range(seconds))
        return [number_of(rgb(item.frame)) for _, item in frames_at(frames, times)], problems


def refusal(path: Path, limits: Limits | None = None) -> str:
    """Return the reason why a video is refused."""
    with pytest.raises(RefusedVideo) as found:
        read(path, limits=limits)
    return found.value.verdict.reason


CODECS = {
    "h264.mp4": ("libx264", "yuv420p", {"bf": "3"}),
    "h264.mkv": ("libx264", "yuv444p", {"bf": "0"}),
    "h264.ts": ("libx264", "yuv420p", {"bf": "2"}),
    "hevc10bit.mp4": ("libx265", "yuv420p10le", {"x265-params": "log-level=none:pools=1"}),
    "h264-10bit.mkv": ("libx264", "yuv422p10le", {}),
    "vp9.webm": ("libvpx-vp9", "yuv420p", {}),
    "ffv1.mkv": ("ffv1", "bgr0", {}),
    "motionjpeg.mov": ("mjpeg", "yuvj444p", {}),
}


@pytest.mark.parametrize("name", CODECS)
def test_the_frame_at_a_second_is_the_last_that_began(name: str, tmp_path: Path) -> None:
    codec, pix_fmt, options = CODECS[name]
    path = write_video(tmp_path / name, IRREGULAR, codec=codec, pix_fmt=pix_fmt, options=options)
    found, problems = read(path)
    assert found[:7] == LAST_AT[:7]
    assert set(found[7:]) <= {9}
    assert not problems


def sampled(path: Path, needed: NeededFrames | None) -> tuple[list[np.ndarray], list[TimedFrame]]:
    """Return the pictures of each second, and all frames that were decoded."""
    with open_video(str(path), Limits()) as (container, stream):
        frames = list(timed(decoded(container, stream, Counter(), needed), stream, Limits(), Counter()))
        marks = ((1000 * second, second) for second in range(10))
        return [rgb(item.frame) for _, item in frames_at(iter(frames), marks)], frames


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("moving", [True, False])
def test_frames_that_are_left_out_do_not_change_the_others(name: str, moving: bool, tmp_path: Path) -> None:
    codec, pix_fmt, options = CODECS[name]
    rng = np.random.default_rng(1)
    noise = [rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(60)]
    images = [np.roll(noise[0], number, 1) for number in range(60)] if moving else noise
    path = write_video(tmp_path / name, regular(6, 10), images=images, codec=codec, pix_fmt=pix_fmt, options=options)
    needed = needed_frames(str(path), Limits(), (1000 * second for second in range(10**6)))
    assert needed is not None
    (pictures, frames), (same, fewer) = sampled(path, None), sampled(path, needed)
    assert len(pictures) >= 6
    assert all(np.array_equal(a, b) for a, b in zip(pictures, same, strict=True))
    assert frames[-1].end == fewer[-1].end


def test_frames_to_which_no_other_refers_are_left_out(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", regular(6, 10), pix_fmt="yuv420p", options={"bf": "3"})
    needed = needed_frames(str(path), Limits(), iter([0]))
    assert len(sampled(path, needed)[1]) < len(sampled(path, None)[1]) == 60


def test_a_constant_rate_is_sampled_each_second(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", regular(15, fps=4))
    assert read(path)[0] == [4 * second for second in range(15)]


def test_a_stream_that_begins_late_counts_from_its_first_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", [time + 100 for time in regular(4)])
    assert read(path)[0] == [0, 4, 8, 12]


def test_threads_decode_the_same_frames(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(48)]
    path = write_video(tmp_path / "a.mp4", regular(12), images=images, pix_fmt="yuv420p", options={"bf": "3"})
    problems: Counter[str] = Counter()
    with open_video(str(path), Limits()) as (container, stream):
        single = [rgb(frame) for frame in decoded(container, stream, problems)]
    for kind in ("FRAME", "SLICE"):
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_type, stream.thread_count = kind, 4
            several = [rgb(frame) for frame in container.decode(stream)]
        assert len(single) == 48
        assert all(np.array_equal(a, b) for a, b in zip(single, several, strict=True))


def write_streams(path: Path, numbers: dict[int, int], default: int | None = None, cover: int | None = None) -> Path:
    """Write a file with a stream per frame's number, of so many times the usual width, and perhaps a cover picture."""
    with av.open(str(path), "w") as container:
        made = []
        for number, scale in numbers.items():
            stream = container.add_stream("libx264", rate=1)
            stream.width, stream.height, stream.pix_fmt = WIDTH * scale, HEIGHT, "yuv444p"
            stream.disposition = av.stream.Disposition(int(number == default))
            made.append((stream, image_of(number, WIDTH * scale)))
        if cover is not None:
            stream = container.add_stream("png", rate=1)
            stream.width, stream.height, stream.pix_fmt = 640, 480, "rgb24"
            stream.disposition = av.stream.Disposition.attached_pic
            made.append((stream, image_of(cover, 640, 480)))
        for stream, pixels in made:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode(None))
    return path


def test_the_default_stream_comes_first_and_then_the_largest(tmp_path: Path) -> None:
    numbers = {10: 1, 11: 3, 12: 2}
    assert read(write_streams(tmp_path / "largest.mkv", numbers), seconds=1)[0] == [11]
    assert read(write_streams(tmp_path / "default.mkv", numbers, default=12), seconds=1)[0] == [12]


def test_a_cover_picture_is_no_video_stream(tmp_path: Path) -> None:
    assert read(write_streams(tmp_path / "a.mp4", {10: 1}, cover=40), seconds=1)[0] == [10]


def test_a_file_without_a_video_stream_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        sound = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    assert refusal(tmp_path / "a.mp4") == "no_video"


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize(
    "content",
    ["", "no video", "\x00" * 5_000, PLAYLIST, "ffconcat version 1.0\nfile {}\n", "<MPD><BaseURL>{}</BaseURL></MPD>"],
)
def test_what_is_no_video_is_refused_and_no_other_file_is_opened(content: str, tmp_path: Path) -> None:
    other = write_video(tmp_path / "a.ts", regular(2))
    (tmp_path / "b.m3u8").write_text(content.format(other))
    assert refusal(tmp_path / "b.m3u8") == "not_a_video"


def test_readers_of_other_files_are_not_among_the_formats() -> None:
    assert not {"hls", "concat", "dash", "image2", "lavfi", "tty", "sdp", "rtsp"} & set(FORMATS.split(","))


def test_a_cut_file_has_the_frames_before_the_cut(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", regular(12))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    found, _ = read(path)
    assert 3 <= len(found) < 12
    assert found == [4 * second for second in range(len(found))]


def test_damage_in_the_middle_ends_as_frames_and_a_problem(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", regular(12), codec="ffv1", pix_fmt="bgr0", options={"slicecrc": "1"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(200)
    path.write_bytes(data)
    found, _ = read(path)
    assert found[:4] == [0, 4, 8, 12]


def test_a_header_without_frames_gives_none(tmp_path: Path) -> None:
    assert read(write_header(tmp_path / "a.avi"))[0] == []


def test_each_limit_refuses_a_video(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", regular(4))
    pixels = WIDTH * HEIGHT
    assert refusal(path, Limits(pixels=pixels - 1)) == "too_many_pixels"
    assert refusal(path, Limits(decoded_pixels=16 * pixels - 1)) == "video_too_long"
    assert refusal(path, Limits(seconds=3)) == "video_too_long"
    assert read(path, limits=Limits(pixels=pixels, decoded_pixels=16 * pixels, seconds=4))[0] == [0, 4, 8, 12]


def test_a_long_gap_between_two_frames_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", [0, 1, 10**6])
    assert refusal(path) == "video_too_long"


class Shown:
    """A frame of the tests of times alone."""

    def __init__(self, pts: int | None, duration: int = 1) -> None:
        self.pts, self.duration, self.width, self.height = pts, duration, 1, 1


class Stream:
    """A stream of one tick per 250 ms, at 4 frames per second."""

    time_base, average_rate = Fraction(1, 4), Fraction(4)


def times(frames: list[Shown]) -> tuple[list[float], Counter[str]]:
    problems: Counter[str] = Counter()
    found = timed(iter(frames), Stream, Limits(), problems)  # type: ignore[arg-type]
    return [float(item.start) for item in found], problems


def test_a_frame_without_a_time_follows_the_one_before_it() -> None:
    found, problems = times([Shown(None), Shown(None), Shown(2), Shown(None)])
    assert found == [0, 250, 500, 750]
    assert problems == {"frames_without_time": 3}


def test_a_frame_that_goes_back_in_time_is_left_out() -> None:
    found, problems = times([Shown(8), Shown(12), Shown(9), Shown(12), Shown(13)])
    assert found == [0, 1000, 1250]
    assert problems == {"frames_out_of_order": 2}


def test_the_last_frame_is_shown_until_it_ends() -> None:
    last = TimedFrame(Shown(0), Fraction(500), Fraction(2_000))  # type: ignore[arg-type]
    first = TimedFrame(Shown(0), Fraction(0), Fraction(500))  # type: ignore[arg-type]
    marks = [(at, at) for at in (0, 400, 500, 2_499, 2_500)]
    found = [(mark, item.start) for mark, item in frames_at(iter([first, last]), iter(marks))]
    assert found == [(0, 0), (400, 0), (500, 500), (2_499, 500)]
