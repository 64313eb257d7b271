"""Pages and pairs as samples: members, their order, and the row of the sidecar."""

import dataclasses
import json

import pytest

from corpusloom.pipelines.store.dataset.samples import (
    StoredImage,
    interleaved_sample,
    members_of,
    pair_sample,
    positions,
    split_of,
    store_form,
    to_json,
)
from corpusloom.pipelines.store.dataset.tars import MemberPlace
from corpusloom.schemas.records import (
    Block,
    ImageFacts,
    ImageRecord,
    ImageRef,
    Member,
    Page,
    Pair,
    Signal,
)
from tests.trainers.stream.datasets import make_image


def image(number: int, *, size: tuple[int, int] | None = None, signals: tuple[str, ...] = ()) -> StoredImage:
    ref = ImageRef(url=f"http://a.example/{number}.jpg", alt_text=f"alt {number}", caption=f"caption {number}")
    facts = ImageFacts(
        sha256=f"{number}" * 64, width=100 + number, height=50 + number, format="jpeg", size=3, dhash="", phash="",
        grid=b"", gray_std=1.0, colour_range=1.0,
    )  # fmt: skip
    seen = tuple(Signal(name=name, value="1", where="header", seen_at="t") for name in signals)
    record = ImageRecord(key=str(number), url=ref.url, outcome="kept", signals=seen)
    return StoredImage(ref, record, facts, f"image {number}".encode(), "jpg", size)


def page(*blocks: str) -> Page:
    """Return a page of texts, and of images where a block is "*"."""
    made = tuple(
        Block(kind="image", image=ImageRef(url="u")) if text == "*" else Block(kind="paragraph", text=text)
        for text in blocks
    )
    return Page(
        key="ab", url="http://a.example/", canonical_url="c", fetched_at="t", title="title", language="en",
        blocks=made, scores={"words": 2.0}, license="CC0",
        signals=(Signal(name="z", value="1", where="meta", seen_at="t"),),
    )  # fmt: skip


def order(page: Page, kept: dict[int, StoredImage]) -> list[str]:
    return [item if isinstance(item, str) else item.ref.url for item in positions(page, kept)]


def test_neighbouring_texts_are_joined_across_images_that_were_dropped() -> None:
    first, third = image(1), image(3)
    made = page("a", "*", "b", "*", "c", "d", "*", "e")
    assert order(made, {0: first, 2: third}) == ["a", first.ref.url, "b\n\nc\n\nd", third.ref.url, "e"]
    assert order(made, {1: third}) == ["a\n\nb", third.ref.url, "c\n\nd\n\ne"]
    assert order(made, {}) == ["a\n\nb\n\nc\n\nd\n\ne"]
    assert order(page("*", "*"), {0: first, 1: third}) == [first.ref.url, third.ref.url]


def test_a_page_has_two_parallel_lists_as_in_obelics() -> None:
    sample = interleaved_sample(page("one", "*", "two", "*"), {0: image(1), 1: image(2)})
    assert sample.key == "ab"
    assert list(sample.fields) == ["000.jpg", "001.jpg", "json"]
    assert (sample.fields["000.jpg"], sample.fields["001.jpg"]) == (b"image 1", b"image 2")
    body = json.loads(sample.fields["json"])
    assert body["texts"] == ["one", None, "two", None]
    assert body["images"] == [None, "ab.000.jpg", None, "ab.001.jpg"]
    assert (body["url"], body["title"]) == ("http://a.example/", "title")
    assert body["image_info"][1] == {
        "name": "ab.001.jpg", "url": "http://a.example/2.jpg", "alt_text": "alt 2", "caption": "caption 2",
        "width": 102, "height": 52, "sha256": "2" * 64,
    }  # fmt: skip


def test_the_row_of_a_page_describes_texts_and_the_first_image() -> None:
    row = interleaved_sample(
        page("one", "*", "four", "*"), {0: image(1, signals=("b",)), 1: image(2, signals=("a",))}
    ).row
    assert (row.key, row.url, row.page_url, row.caption) == ("ab", "http://a.example/", "http://a.example/", None)
    assert (row.text_length, row.images, row.width, row.height, row.sha256) == (7, 2, 101, 51, "1" * 64)
    assert (row.language, row.license, row.scores, row.members) == ("en", "CC0", {"words": 2.0}, ())
    assert row.opt_out_signals == ("a=1", "b=1", "z=1")


def test_a_page_that_lost_its_images_is_a_sample_of_texts_where_the_recipe_keeps_it() -> None:
    page = Page(
        key="k", url="u", canonical_url="u", fetched_at="", blocks=(Block(kind="paragraph", text="Some words."),)
    )
    sample = interleaved_sample(page, {})
    assert list(sample.fields) == ["json"]
    assert json.loads(sample.fields["json"])["texts"] == ["Some words."]
    assert (sample.row.images, sample.row.width, sample.row.sha256) == (0, None, None)


def test_a_pair_has_the_layout_of_img2dataset() -> None:
    pair = Pair(
        key="cd", parent="p", page_url="http://a.example/", image_url="http://a.example/1.jpg", text="grün",
        text_source="alt_text", language="de", license="CC0", scores={"x": 1.0}, columns={"b": "1", "a": "ü"},
        original="grün | stock photo",
    )  # fmt: skip
    sample = pair_sample(pair, image(1, size=(10, 20), signals=("a", "a")))
    assert sample.fields["jpg"] == b"image 1"
    assert sample.fields["txt"] == "grün".encode()
    assert json.loads(sample.fields["json"]) == {
        "key": "cd", "url": "http://a.example/1.jpg", "page_url": "http://a.example/", "caption": "grün",
        "original_caption": "grün | stock photo",
        "text_source": "alt_text", "status": "success", "error_message": None, "width": 10, "height": 20,
        "original_width": 101, "original_height": 51, "sha256": "1" * 64, "columns": '{"a": "ü", "b": "1"}',
        "blurred_faces": None,
    }  # fmt: skip
    row = sample.row
    assert (row.url, row.caption, row.text_length, row.images) == ("http://a.example/1.jpg", "grün", 4, 1)
    assert (row.width, row.height, row.language, row.license) == (10, 20, "de", "CC0")
    assert row.opt_out_signals == ("a=1",)


def test_the_size_is_that_of_the_member() -> None:
    assert (image(1).width, image(1).height) == (101, 51)
    assert (image(1, size=(7, 8)).width, image(1, size=(7, 8)).height) == (7, 8)


@pytest.mark.parametrize(("validation", "split"), [(0.0, "train"), (1.0, "val")])
def test_a_share_of_one_sets_all_aside_and_of_zero_nothing(validation: float, split: str) -> None:
    assert {split_of(str(n), validation) for n in range(100)} == {split}


def test_the_share_that_is_set_aside_is_the_one_asked_for() -> None:
    found = [split_of(str(n), 0.1) for n in range(2_000)]
    assert 150 < found.count("val") < 250
    assert [split_of(str(n), 0.1) for n in range(2_000)] == found
    # a larger share keeps what a smaller one set aside
    assert all(split_of(str(n), 0.2) == "val" for n in range(2_000) if found[n] == "val")


def test_the_split_of_a_pair_is_that_of_its_image() -> None:
    made = [
        pair_sample(
            Pair(key=str(n), parent="", page_url="", image_url="", text="", text_source=""), image(1), validation=0.5
        ).row.split
        for n in range(20)
    ]  # fmt: skip
    assert len(set(made)) == 1
    pages = {interleaved_sample(dataclasses.replace(page("*"), key=str(n)), {0: image(1)}, validation=0.5).row.split
             for n in range(20)}  # fmt: skip
    assert pages == {"train", "val"}


@pytest.mark.parametrize(("kind", "extension"), [("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("GIF", "png")])
def test_other_formats_become_png(kind: str, extension: str) -> None:
    data = make_image(1, format=kind)
    stored, found = store_form(data, kind.lower())
    assert found == extension
    assert (stored[:4] == b"\x89PNG") == (extension == "png")


def test_json_is_canonical() -> None:
    assert to_json({"b": "ü", "a": 1}) == '{"a": 1, "b": "ü"}'.encode()


def test_members_know_their_images() -> None:
    sample = interleaved_sample(page("one", "*"), {0: image(1)})
    known = Member(field="001.jpg", offset=0, size=0, stored_sha256="", sha256="k", width=3, height=4)
    sample = dataclasses.replace(sample, known={"001.jpg": known})
    places = [
        MemberPlace("000.jpg", 512, 7, "s0", 10),
        MemberPlace("001.jpg", 1024, 8, "s1", 11),
        MemberPlace("json", 2048, 9, "s2", 12),
    ]
    assert members_of(sample, places) == (
        Member(
            field="000.jpg", offset=512, size=7, stored_sha256="s0", sha256="1" * 64, width=101, height=51, crc32c=10
        ),
        Member(field="001.jpg", offset=1024, size=8, stored_sha256="s1", sha256="k", width=3, height=4, crc32c=11),
        Member(field="json", offset=2048, size=9, stored_sha256="s2", crc32c=12),
    )


def test_a_pair_without_further_columns_has_the_key_all_the_same() -> None:
    pair = Pair(key="k", parent="p", page_url="", image_url="http://a.example/1.jpg", text="a", text_source="caption")
    assert json.loads(pair_sample(pair, image(1)).fields["json"])["columns"] is None
