"""Texts and images of a page from the JSON of each program that writes one; broken lists have a reason."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from corpusloom.trainers.stream.errors import SampleError
from corpusloom.trainers.stream.samples.page_json import page_lists

IMAGES = {"000.jpg": b"zero", "001.png": b"one", "json": b"{}", "txt": b""}


@pytest.mark.parametrize(
    "names",
    [
        ["000.jpg", None, "001.png"],
        ["k.000.jpg", None, "k.001.png"],
        ["folder/k.000.jpeg", None, "folder/k.001.PNG"],
        ["http://x/b.jpg", None, "http://x/a.jpg"],
    ],
)
def test_images_are_named_by_member_by_field_or_by_url_in_order(names: list[str | None]) -> None:
    texts, images = page_lists("k", {"texts": [None, "between", None], "images": names}, IMAGES)
    assert texts == (None, "between", None)
    assert images == (b"zero", None, b"one")


def test_a_key_with_a_folder_is_known_by_its_base_name() -> None:
    _, images = page_lists("folder/k", {"texts": [None], "images": ["elsewhere/k.000.jpg"]}, IMAGES)
    assert images == (b"zero",)


def test_mmc4_puts_each_image_before_its_sentence() -> None:
    encoded = [base64.b64encode(data).decode() for data in (b"zero", b"one", b"two")]
    info = {
        "text_list": ["first", "second"],
        "image_info": [
            {"matched_text_index": 1, "image_base64": encoded[0]},
            {"matched_text_index": 0, "image_base64": encoded[1]},
            {"matched_text_index": 1, "image_base64": encoded[2]},
            {"matched_text_index": 0},
        ],
    }
    texts, images = page_lists("k", info, {})
    assert texts == (None, "first", None, None, "second")
    assert images == (b"one", None, b"zero", b"two", None)


def mmc4(**changes: Any) -> dict[str, Any]:
    entry = {"matched_text_index": 0, "image_base64": base64.b64encode(b"x").decode()}
    return {"text_list": ["a"], "image_info": [{**entry, **changes}]}


@pytest.mark.parametrize(
    ("info", "reason", "detail"),
    [
        ({}, "bad_lists", "not two lists of one length"),
        ({"texts": ["a"], "images": []}, "bad_lists", "not two lists of one length"),
        ({"texts": [1], "images": [None]}, "bad_lists", "neither a string nor null"),
        ({"texts": [None], "images": ["002.jpg"]}, "missing_image", "002.jpg"),
        ({"texts": [None], "images": ["../json"]}, "missing_image", "../jso"),
        ({"texts": [None], "images": ["http://x/a"]}, "missing_image", "2 images for the URLs of 1 entries"),
        ({"text_list": ["a"], "image_info": None}, "bad_lists", "is not a list"),
        ({"text_list": [1], "image_info": []}, "bad_lists", "not a string"),
        (mmc4(matched_text_index="0"), "bad_lists", "no sentence"),
        (mmc4(matched_text_index=1), "bad_lists", "sentence 1 of 1"),
        (mmc4(image_base64="a*b"), "bad_base64", ""),
    ],
)
def test_a_page_that_cannot_be_read_has_a_reason(info: dict[str, Any], reason: str, detail: str) -> None:
    members = {name: data for name, data in IMAGES.items() if name != "json"}
    with pytest.raises(SampleError) as caught:
        page_lists("k", info, members)
    assert caught.value.reason == reason
    assert detail in caught.value.detail


@pytest.mark.parametrize(
    "encode",
    [
        lambda data: base64.encodebytes(data).decode(),
        lambda data: base64.b64encode(data).decode() + "\r\n",
        lambda data: base64.urlsafe_b64encode(data).decode(),
        lambda data: base64.b64encode(data).decode().rstrip("="),
        lambda data: "data:image/jpeg;base64," + base64.b64encode(data).decode(),
        lambda data: "data:image/png;base64,\n" + base64.encodebytes(data).decode(),
    ],
)
def test_base64_may_be_in_lines_or_a_data_url_or_url_safe_or_without_padding(encode: Callable[[bytes], str]) -> None:
    image = bytes(range(256)) * 3 + b"x"
    info = {"text_list": ["a"], "image_info": [{"matched_text_index": 0, "image_base64": encode(image)}]}
    assert page_lists("k", info, {})[1] == (image, None)
