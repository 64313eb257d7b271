"""Videos are found in files, folders and globs, each with the subtitles beside it, wherever the folder lies."""

from pathlib import Path

import pytest

from corpusloom.pipelines.stages.clips.find_videos import find_subtitles, find_videos
from corpusloom.schemas.errors import InputError

ENGLISH = ("en",)


def make(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def names(*patterns: object) -> list[str]:
    return sorted(video.name for video in find_videos(map(str, patterns), ENGLISH))


def test_folders_and_globs_give_videos_by_extension_and_files_are_taken_as_named(tmp_path: Path) -> None:
    make(tmp_path / "a", "x.mp4", "deep/y.WEBM", "z.txt", "x.vtt", "odd.bin")
    assert names(tmp_path / "a") == ["deep/y.WEBM", "x.mp4"]
    assert names(f"{tmp_path}/a/") == ["deep/y.WEBM", "x.mp4"]
    assert names(f"{tmp_path}/a/*") == ["x.mp4"]
    assert names(f"{tmp_path}/*/deep/*.WEBM") == ["a/deep/y.WEBM"]
    assert names(f"{tmp_path}/a/**/*.WEBM") == ["deep/y.WEBM"]
    assert names(tmp_path / "a/odd.bin", tmp_path / "a/x.mp4") == ["odd.bin", "x.mp4"]


def test_a_name_does_not_depend_on_where_the_folder_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "a", "v/x.mp4", "v/y.mp4")
    make(tmp_path / "b", "v/x.mp4", "v/y.mp4")
    first, second = (find_videos([str(tmp_path / name)], ENGLISH) for name in "ab")
    assert [(video.name, video.sha256) for video in first] == [(video.name, video.sha256) for video in second]
    monkeypatch.chdir(tmp_path)
    assert [video.name for video in find_videos(["a"], ENGLISH)] == [video.name for video in first]
    assert [video.sha256 for video in first] == sorted(video.sha256 for video in first)


def test_a_folder_without_videos_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "a.txt")
    with pytest.raises(InputError, match=r"holds no video.*mp4"):
        find_videos([str(tmp_path)], ENGLISH)
    with pytest.raises(InputError, match="no such file"):
        find_videos([str(tmp_path / "*.mp4")], ENGLISH)


@pytest.mark.parametrize(
    ("listing", "languages", "expected"),
    [
        (["v.vtt", "v.srt", "v.en.vtt"], ENGLISH, ("d/v.vtt", None)),
        (["v.srt", "v.en.vtt"], ENGLISH, ("d/v.srt", None)),
        (["v.en.srt", "v.de.vtt"], ENGLISH, ("d/v.en.srt", "en")),
        (["v.en-GB.VTT"], ENGLISH, ("d/v.en-GB.VTT", "en-GB")),
        (["v.de.vtt", "v.fr.vtt"], ENGLISH, (None, None)),
        (["v.de.vtt", "v.fr.vtt"], ("fr", "de"), ("d/v.fr.vtt", "fr")),
        (["v.fr.vtt", "v.de.srt"], (), ("d/v.de.srt", "de")),
        (["w.vtt", "v2.vtt", "v.mp4", "v.txt", "v.part.en.vtt"], ENGLISH, (None, None)),
    ],
)
def test_subtitles_without_a_language_come_first_then_the_wanted_languages(
    listing: list[str], languages: tuple[str, ...], expected: tuple[str | None, str | None]
) -> None:
    assert find_subtitles("d/v.mp4", listing, languages) == expected
    assert find_subtitles("d/v.mp4", listing[::-1], languages) == expected


def test_a_video_has_the_subtitles_beside_it(tmp_path: Path) -> None:
    make(tmp_path, "a/v.mp4", "a/v.en.vtt", "b/v.mp4")
    found = {video.name: (video.subtitles, video.language) for video in find_videos([str(tmp_path)], ENGLISH)}
    assert found == {"a/v.mp4": (str(tmp_path / "a/v.en.vtt"), "en"), "b/v.mp4": (None, None)}
