"""The held-out part: records are chosen by the hash of their near-duplicate root."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.store.dataset.samples import (
    StoredImage,
    interleaved_sample,
    pair_sample,
    split_of,
)
from corpusloom.schemas.records import Block, ImageFacts, ImageRecord, ImageRef, Page, Pair

roots = st.text("0123456789abcdef", min_size=32, max_size=32)
shares = st.floats(0, 1)


def place_of(root: str) -> float:
    """Return the hash of a root as a number in [0, 1)."""
    return int.from_bytes(hashlib.blake2b(root.encode(), digest_size=4).digest(), "big") / 2**32


@given(roots, shares)
def test_a_root_is_held_out_where_its_hash_lies_below_the_share(root: str, share: float) -> None:
    assert split_of(root, share) == ("val" if place_of(root) < share else "train")
    assert split_of(root, place_of(root)) == "train"
    assert split_of(root, place_of(root) + 2**-32) == "val"


@given(roots)
def test_no_share_holds_nothing_out_and_the_whole_everything(root: str) -> None:
    assert (split_of(root, 0.0), split_of(root, 1.0)) == ("train", "val")


@given(roots, shares, shares)
def test_a_larger_share_holds_out_what_a_smaller_one_does(root: str, one: float, other: float) -> None:
    if split_of(root, min(one, other)) == "val":
        assert split_of(root, max(one, other)) == "val"


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_a_share_is_the_part_of_the_samples_that_it_says(share: float) -> None:
    held = sum(split_of(f"{number:032x}", share) == "val" for number in range(20_000))
    assert held == pytest.approx(20_000 * share, rel=0.2)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_pairs_of_one_image_never_lie_on_both_sides(share: float) -> None:
    for image in range(40):
        found = {sample_split(image, text, share) for text in range(5)}
        assert found == {split_of(f"{image:064x}", share)}


@given(roots, roots, shares)
def test_a_page_stands_for_its_cluster_by_its_key(key: str, parent: str, share: float) -> None:
    page = Page(
        key=key,
        parent=parent,
        url=f"http://example.org/{parent}",
        canonical_url=f"http://example.org/{parent}",
        fetched_at="2026-01-02T03:04:05Z",
        blocks=(Block(kind="image", image=ImageRef(url="i")), Block(kind="paragraph", text="text")),
    )
    sample = interleaved_sample(page, {0: stored_image(0)}, validation=share)
    assert sample.row.split == split_of(key, share)


def sample_split(image: int, text: int, share: float) -> str:
    """Return the part of a pair of an image and a text."""
    pair = Pair(key=f"{text:032x}", parent="p", page_url="u", image_url="i", text=str(text), text_source="alt")
    return pair_sample(pair, stored_image(image), validation=share).row.split


def stored_image(number: int) -> StoredImage:
    """Return an image that passed every filter."""
    sha256 = f"{number:064x}"
    facts = ImageFacts(
        sha256=sha256,
        width=9,
        height=9,
        format="png",
        size=5,
        dhash="0" * 16,
        phash="0" * 16,
        grid=bytes(48),
        gray_std=9.0,
        colour_range=9.0,
    )
    record = ImageRecord(key=f"{number:032x}", url="u", outcome="kept", sha256=sha256)
    return StoredImage(ImageRef(url="u"), record, facts, b"bytes", "png")
