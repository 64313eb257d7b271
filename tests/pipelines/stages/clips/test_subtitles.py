"""WebVTT and SRT, well formed and not, are read as cues; every broken one is counted."""

import pytest

from corpusloom.pipelines.stages.clips.subtitles import MAX_LINE, Cue, Subtitles, read_subtitles

WEBVTT = """WEBVTT - a title
Kind: captions

STYLE
::cue { color: lime }

NOTE
this is no text

intro
00:01.000 --> 00:02.500 align:start position:0%
<v Ann>Hello <c.loud>there</c>, <00:02.000>Bob &amp; Eve

01:00:00.000 --> 01:00:01.000
two
lines
"""
SRT = """1
00:00:01,000 --> 00:00:02,500
<i>Hello</i> {\\an8}there

2
00:00:03,0 --> 00:00:04,00
<font color="red">bye</font>
"""


def test_webvtt_is_read_without_notes_styles_settings_and_tags() -> None:
    cues = (Cue(1_000, 2_500, ("Hello there, Bob & Eve",)), Cue(3_600_000, 3_601_000, ("two", "lines")))
    assert read_subtitles(WEBVTT.encode()) == Subtitles(cues)


def test_srt_is_read_without_numbers_and_tags() -> None:
    assert read_subtitles(SRT.encode()).cues == (Cue(1_000, 2_500, ("Hello there",)), Cue(3_000, 4_000, ("bye",)))


@pytest.mark.parametrize("newline", ["\r\n", "\r", "\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_encodings_and_line_ends_do_not_matter(encoding: str, newline: str) -> None:
    data = "1\n00:00:01,000 --> 00:00:02,000\nCafé\n".replace("\n", newline).encode(encoding)
    assert read_subtitles(data).cues == (Cue(1_000, 2_000, ("Café",)),)


def test_a_number_where_a_blank_line_is_missing_is_no_text() -> None:
    data = b"1\n00:00:01,000 --> 00:00:02,000\none\n2\n00:00:02,000 --> 00:00:03,000\n2020\n\n"
    assert [cue.lines for cue in read_subtitles(data).cues] == [("one",), ("2020",)]


@pytest.mark.parametrize(
    "timing",
    [
        "00:00:02,000 --> 00:00:01,000",
        "00:00:02,000 --> 00:00:02,000",
        "-00:00:02,000 --> 00:00:03,000",
        "soon --> later",
        "00:00:01 --> 00:00:02",
        "99999:00:00,000 --> 99999:00:01,000",
        "00:00:01,000 --> ",
    ],
)
def test_a_cue_of_broken_times_is_left_out_and_counted(timing: str) -> None:
    data = f"{timing}\nlost\n\n00:00:05,000 --> 00:00:06,000\nkept\n".encode()
    assert read_subtitles(data) == Subtitles((Cue(5_000, 6_000, ("kept",)),), bad=1)


@pytest.mark.parametrize("data", [b"", b"WEBVTT", b"\xff\xfe", b"\x00" * 100, b"text\nwithout\ntimes", b"{}"])
def test_a_file_without_cues_has_none(data: bytes) -> None:
    assert read_subtitles(data) == Subtitles(())


def test_a_cue_of_tags_alone_has_no_text() -> None:
    assert read_subtitles(b"00:01.000 --> 00:02.000\n<i></i>\n<c.x>\n") == Subtitles(())


def test_control_characters_and_zero_bytes_are_no_text() -> None:
    assert read_subtitles(b"00:01.000 --> 00:02.000\na\x00b\x07\n").cues == (Cue(1_000, 2_000, ("ab",)),)


def test_a_line_is_cut_at_its_longest() -> None:
    data = b"00:01.000 --> 00:02.000\n" + b"<" * 1_000_000 + b"\nnext\n"
    (cue,) = read_subtitles(data).cues
    assert (len(cue.lines[0]), cue.lines[1]) == (MAX_LINE, "next")
