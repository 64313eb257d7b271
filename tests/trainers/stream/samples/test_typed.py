"""Typed samples from members: what each kind needs; no content is executed."""

import io
import json

import numpy as np
import pytest

from corpusloom.trainers.stream.errors import SampleError
from corpusloom.trainers.stream.samples.typed import (
    ClipSample,
    InterleavedSample,
    PairSample,
    RegionsSample,
    make_sample,
)


def npz(**arrays: np.ndarray) -> bytes:
    sink = io.BytesIO()
    np.savez(sink, **arrays)
    return sink.getvalue()


def test_images_of_a_page_are_named_by_member_or_by_field() -> None:
    info = {"texts": ["a", None, None], "images": [None, "k.000.jpg", "001.png"]}
    sample = make_sample("interleaved", "k", {"000.jpg": b"x", "001.png": b"y", "json": json.dumps(info).encode()})
    assert isinstance(sample, InterleavedSample)
    assert (sample.texts, sample.images) == (("a", None, None), (None, b"x", b"y"))


def test_clips_are_frames_in_order() -> None:
    sample = make_sample("clips", "k", {"001.jpg": b"b", "000.jpg": b"a", "txt": "é".encode()})
    assert isinstance(sample, ClipSample)
    assert (sample.frames, sample.text) == ((b"a", b"b"), "é")


def test_regions_carry_their_arrays() -> None:
    data = npz(boxes=np.zeros((2, 4)), features=np.ones((2, 8)), class_probs=np.ones((2, 3)))
    sample = make_sample("regions", "k", {"jpg": b"x", "txt": b"t", "regions.npz": data})
    assert isinstance(sample, RegionsSample)
    assert (sample.boxes.shape, sample.features.shape) == ((2, 4), (2, 8))


ONE_FEATURE = npz(boxes=np.zeros((1, 4)), features=np.ones(1), class_probs=np.ones((1, 3)))


@pytest.mark.parametrize(
    ("kind", "members", "reason"),
    [
        ("pairs", {"txt": b"t"}, "missing_image"),
        ("pairs", {"jpg": b"x"}, "missing_txt"),
        ("pairs", {"jpg": b"x", "json": b'{"text_source": "caption"}'}, "missing_txt"),
        ("pairs", {"jpg": b"x", "txt": b" ", "json": b'{"text_source": ""}'}, "empty_text"),
        ("pairs", {"jpg": b"x", "txt": b"\xff"}, "bad_text"),
        ("pairs", {"jpg": b"x", "txt": b"", "json": b"{"}, "bad_json"),
        ("pairs", {"jpg": b"x", "txt": b"", "json": b"[" * 100_000}, "bad_json"),
        ("interleaved", {}, "missing_json"),
        ("interleaved", {"json": b'{"texts": ["a"], "images": []}'}, "bad_lists"),
        ("interleaved", {"json": b'{"texts": [1], "images": [null]}'}, "bad_lists"),
        ("interleaved", {"json": b'{"texts": [null], "images": ["../x.jpg"]}'}, "missing_image"),
        ("clips", {"txt": b"t"}, "missing_image"),
        ("regions", {"jpg": b"x", "txt": b"t", "regions.npz": b"PK"}, "bad_regions"),
        ("regions", {"jpg": b"x", "txt": b"t", "regions.npz": npz(boxes=np.zeros((1, 4)))}, "bad_regions"),
        ("regions", {"jpg": b"x", "txt": b"t", "regions.npz": ONE_FEATURE}, "bad_regions"),
    ],
)
def test_members_that_do_not_make_a_sample_have_a_reason(kind: str, members: dict[str, bytes], reason: str) -> None:
    with pytest.raises(SampleError) as caught:
        make_sample(kind, "k", members)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("text", "info", "found"),
    [
        ("a cat".encode("utf-8-sig"), {"caption": "json"}, "a cat"),
        ("a cat".encode("utf-16"), {}, "a cat"),
        (b"", {"caption": "json"}, "json"),
        (b"\xef\xbb\xbf \n", {"caption": "", "text": "json"}, "json"),
        (None, {"caption": None, "text": "json"}, "json"),
    ],
)
def test_a_pair_has_the_text_beside_it_or_that_of_its_json(
    text: bytes | None, info: dict[str, object], found: str
) -> None:
    members = {"jpg": b"x", "json": json.dumps(info).encode("utf-8-sig")} | ({} if text is None else {"txt": text})
    sample = make_sample("pairs", "k", members)
    assert isinstance(sample, PairSample)
    assert sample.text == found


@pytest.mark.parametrize(("kind", "image"), [("pairs", "jpg"), ("clips", "000.jpg")])
def test_a_blank_text_is_a_reason_to_skip_a_sample(kind: str, image: str) -> None:
    with pytest.raises(SampleError, match="empty_text"):
        make_sample(kind, "k", {image: b"x", "txt": b" \n", "json": b"{}"})
