"""One video ends as clips with frames, texts and times, or as a verdict; nothing is raised and nothing is silent."""

import json
from pathlib import Path
from typing import Any

import pytest

from corpusloom.pipelines.stages.clips import cut_video as module
from corpusloom.pipelines.stages.clips.cut_video import CutConfig, CutVideo, Video, clip_key, cut_video, fragment_paths
from corpusloom.pipelines.stages.clips.cuts import Cut
from corpusloom.pipelines.stages.clips.decoding import Limits
from corpusloom.pipelines.store.images.resize import Resize
from corpusloom.schemas import storage, tables
from corpusloom.schemas.images.decoding import decode_rgb
from corpusloom.schemas.records import SidecarRow
from corpusloom.schemas.verdicts import Dead, Kept, Rejected
from tests.pipelines.stages.clips.videos import HEIGHT, WIDTH, number_of, regular, write_header, write_video

PLAIN = Resize(mode="no", size=1)
CUES = """WEBVTT

00:01.500 --> 00:03.000
one

00:04.000 --> 00:05.200
two

00:40.000 --> 00:41.000
late
"""


def video_of(path: Path, **changes: Any) -> Video:
    sha256, size = storage.hash_file(str(path))
    return Video(path=str(path), name=path.name, sha256=sha256, bytes=size, **changes)


def cut(folder: Path, video: Video, **changes: Any) -> tuple[CutVideo, list[SidecarRow], list[dict[str, Any]]]:
    """Cut a video; return the result, and rows and JSON of its clips in order of time."""
    config = CutConfig(folder=str(folder / "out"), resize=PLAIN, **changes)
    made = cut_video(video, config)
    tar, sidecar = fragment_paths(config.folder, video.sha256)
    if not storage.exists(sidecar):
        return made, [], []
    rows = list(tables.read_records(sidecar, SidecarRow))
    bodies = {row.key: json.loads(member_of(tar, row, "json")) for row in rows}
    rows.sort(key=lambda row: bodies[row.key]["start"])
    return made, rows, [bodies[row.key] for row in rows]


def member_of(tar: str, row: SidecarRow, field: str) -> bytes:
    (member,) = (member for member in row.members if member.field == field)
    return storage.read_bytes(tar, member.offset, member.offset + member.size)


def test_a_video_with_a_caption_is_cut_every_thirty_seconds(tmp_path: Path) -> None:
    video = video_of(write_video(tmp_path / "a.mp4", regular(70.25, fps=4)), caption="<b>a</b> &amp; b")
    made, rows, bodies = cut(tmp_path, video)
    assert made.verdict == Kept()
    assert made.clips == tuple(clip_key(video, Cut(start, 0, "")) for start in (0, 30_000, 60_000))
    assert [(body["start"], body["end"], body["frames"]) for body in bodies] == [
        (0.0, 30.0, 30), (30.0, 60.0, 30), (60.0, 70.04, 11)
    ]  # fmt: skip
    assert {body["text"] for body in bodies} == {"a & b"}
    tar, _ = fragment_paths(str(tmp_path / "out"), video.sha256)
    second = rows[1]
    assert [member.field for member in second.members] == [
        *(f"{number:03d}.jpg" for number in range(30)), "json", "txt"
    ]  # fmt: skip
    shown = [number_of(decode_rgb(member_of(tar, second, f"{number:03d}.jpg"))) for number in range(30)]
    assert shown == [4 * (30 + number) % 64 for number in range(30)]
    assert bodies[1]["frame_times"] == [30.0 + number for number in range(30)]


def test_subtitles_come_before_a_caption_and_cut_the_video(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", regular(8, fps=4), title="a title")
    (tmp_path / "a.vtt").write_text(CUES)
    video = video_of(path, caption="a caption", subtitles=str(tmp_path / "a.vtt"), language="en")
    made, rows, bodies = cut(tmp_path, video, longest=3_000)
    assert [(body["start"], body["end"], body["text"], body["frames"]) for body in bodies] == [
        (1.5, 3.0, "one", 2), (4.0, 5.2, "two", 2)
    ]  # fmt: skip
    assert bodies[0]["frame_times"] == [1.5, 2.5]
    assert made.late == (clip_key(video, Cut(40_000, 0, "")),)
    assert {(body["text_source"], body["subtitle_language"]) for body in bodies} == {("subtitles", "en")}
    assert [row.caption for row in rows] == ["one", "two"]
    assert [(row.images, row.width, row.height, row.text_length) for row in rows] == [(2, WIDTH, HEIGHT, 3)] * 2


def test_the_title_stands_in_where_nothing_else_is(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", regular(2), title="a title")
    (tmp_path / "a.vtt").write_text("WEBVTT\n\n00:02.000 --> 00:01.000\nbroken\n")
    made, _, (body,) = cut(tmp_path, video_of(path, subtitles=str(tmp_path / "a.vtt"), language="en"))
    assert (body["text"], body["text_source"], body["subtitle_language"]) == ("a title", "title", None)
    assert made.remarks == ("bad_cues", "no_cues")


def test_a_video_without_any_text_is_rejected(tmp_path: Path) -> None:
    video = video_of(write_video(tmp_path / "a.mp4", regular(1)))
    assert cut(tmp_path, video)[0] == CutVideo(verdict=Rejected("no_text"))


def test_cues_after_the_end_of_a_video_are_named(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", regular(1))
    (tmp_path / "a.vtt").write_text("WEBVTT\n\n01:00.000 --> 01:01.000\nlate\n")
    video = video_of(path, subtitles=str(tmp_path / "a.vtt"))
    made = cut(tmp_path, video)[0]
    assert made == CutVideo(verdict=Rejected("cues_after_end"), late=(clip_key(video, Cut(60_000, 0, "")),))


def test_a_file_that_is_no_video_and_one_without_frames_are_rejected(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    assert cut(tmp_path, video_of(tmp_path / "a.mp4"))[0].verdict == Rejected("not_a_video")
    path = write_header(tmp_path / "b.avi")
    assert cut(tmp_path, video_of(path, caption="text"))[0].verdict == Rejected("no_frames")


def test_a_cut_file_keeps_what_can_be_read_and_says_so(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", regular(40), title="t")
    whole = cut(tmp_path, video_of(path))[2]
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 9 // 10])
    made, _, bodies = cut(tmp_path / "again", video_of(path))
    assert made.verdict == Kept()
    assert bodies[0]["frame_times"] == whole[0]["frame_times"]
    assert 30 < bodies[1]["end"] < whole[1]["end"]


def test_frames_of_more_bytes_than_the_limit_reject_the_video(tmp_path: Path) -> None:
    video = video_of(write_video(tmp_path / "a.mp4", regular(9)), caption="text")
    _, rows, _ = cut(tmp_path, video)
    total = sum(member.size for member in rows[0].members if member.field.endswith("jpg"))
    made = cut(tmp_path / "low", video, limits=Limits(stored_bytes=total - 1))[0]
    assert made.verdict == Rejected("frames_too_large", float(total), float(total - 1))
    assert not list((tmp_path / "low").rglob("*.tar"))
    assert cut(tmp_path / "high", video, limits=Limits(stored_bytes=total))[0].verdict == Kept()


def test_a_still_frame_is_stored_for_each_second_that_it_is_shown(tmp_path: Path) -> None:
    video = video_of(write_video(tmp_path / "a.mkv", [0, 1, 7, 8]), caption="slides")
    made, _, (body,) = cut(tmp_path, video)
    assert made.verdict == Kept()
    assert body["frame_times"][:8] == [0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 7.0]


def test_a_limit_takes_the_first_clips(tmp_path: Path) -> None:
    video = video_of(write_video(tmp_path / "a.mp4", regular(9)), caption="text")
    bodies = cut(tmp_path, video, longest=2_000, limit=3)[2]
    assert [body["start"] for body in bodies] == [0.0, 2.0, 4.0]
    assert bodies[-1]["end"] == 6.0


def test_the_same_video_gives_the_same_bytes(tmp_path: Path) -> None:
    video = video_of(write_video(tmp_path / "a.mp4", regular(35)), caption="text")
    first, second = (Path(fragment_paths(str(tmp_path / name / "out"), video.sha256)[0]) for name in "ab")
    for name in "ab":
        cut(tmp_path / name, video)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("error", [MemoryError("no memory"), RuntimeError("a bug")])
def test_an_unforeseen_error_is_the_verdict_of_its_video(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(module, "open_video", fail)
    path = tmp_path / "a.mp4"
    path.write_bytes(b"x")
    verdict = cut(tmp_path, video_of(path))[0].verdict
    assert isinstance(verdict, Dead)
    assert (verdict.error, verdict.message) == (type(error).__name__, str(error))
