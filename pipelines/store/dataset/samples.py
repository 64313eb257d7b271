"""Builds samples from pages and pairs: the members of the tar and the row of the sidecar."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from corpusloom.pipelines.store.dataset.tars import MemberPlace
from corpusloom.schemas.images.decoding import reencode_png
from corpusloom.schemas.images.metadata import strip_metadata
from corpusloom.schemas.layout import image_field, member_name
from corpusloom.schemas.records import ImageFacts, ImageRecord, ImageRef, Member, Page, Pair, SidecarRow, Signal
from corpusloom.schemas.urls.redaction import redacted

_EXTENSION = {"jpeg": "jpg", "jpg": "jpg", "png": "png", "webp": "webp"}


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image that passed every filter."""

    ref: ImageRef
    """The image as the page refers to it."""
    record: ImageRecord
    facts: ImageFacts
    data: bytes
    """Bytes of the member."""
    extension: str
    size: tuple[int, int] | None = None
    """Width and height of `data` in pixels if it was encoded again."""
    blurred_faces: int | None = None
    """Number of faces that were blurred; None if the recipe blurs none."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Scores by models, for an image of a page."""

    @property
    def width(self) -> int:
        """Return the member's width as displayed, in pixels."""
        return self.size[0] if self.size else self.facts.width

    @property
    def height(self) -> int:
        """Return the member's height as displayed, in pixels."""
        return self.size[1] if self.size else self.facts.height

    @property
    def info(self) -> dict[str, Any]:
        """Return the image's entry in KEY.json."""
        return {
            "url": redacted(self.ref.url),
            "alt_text": self.ref.alt_text,
            "caption": self.ref.caption,
            "width": self.width,
            "height": self.height,
            "sha256": self.facts.sha256,
            **self.scores,
        }


@dataclass(frozen=True, slots=True)
class UnwrittenSample:
    """A sample that is ready to be written into a tar."""

    key: str
    fields: dict[str, bytes]
    """Field -> bytes of the member."""
    row: SidecarRow
    """The sidecar row, without members."""
    images: dict[str, StoredImage]
    """Field -> image, for image members."""
    known: dict[str, Member] = field(default_factory=dict)
    """Field -> member of another dataset's sidecar, for image members that are copied from there."""


def store_form(data: bytes, image_format: str) -> tuple[bytes, str]:
    """Return an image's bytes for storing, and its extension.

    Private metadata are removed; a format other than JPEG, PNG and WebP is re-encoded as PNG.
    """
    extension = _EXTENSION.get(image_format)
    if extension is None:
        return reencode_png(data), "png"
    return strip_metadata(data), extension


def to_json(value: Mapping[str, Any]) -> bytes:
    """Return canonical JSON: sorted keys, UTF-8."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False).encode()


def split_of(root: str, validation: float) -> str:
    """Return the split of a record (train or val), from the hash of its near-duplicate root.

    A cluster of near-duplicate pages is in the dataset only as its root, so the root's key stands for the cluster.
    Pairs with the same image are in the same split, since their root is the image's sha256.

    Args:
      root: Key of the root, or sha256 of the image.
      validation: Share of records in val, 0 to 1.
    """
    value = int(hashlib.blake2b(root.encode(), digest_size=4).hexdigest(), 16) / 2**32
    return "val" if value < validation else "train"


def _signals(signals: Sequence[Signal]) -> tuple[str, ...]:
    return tuple(sorted({f"{signal.name}={signal.value}" for signal in signals}))


def positions(page: Page, kept: Mapping[int, StoredImage]) -> Iterator[str | StoredImage]:
    """Yield texts and kept images of a page in reading order; adjacent texts are joined by a blank line."""
    pending: list[str] = []
    image = 0
    for block in page.blocks:
        if block.text is not None:
            pending.append(block.text)
            continue
        stored = kept.get(image)
        image += 1
        if stored is not None:
            if pending:
                yield "\n\n".join(pending)
                pending = []
            yield stored
    if pending:
        yield "\n\n".join(pending)


def interleaved_sample(page: Page, kept: Mapping[int, StoredImage], *, validation: float = 0.0) -> UnwrittenSample:
    """Return a page as a sample: KEY.000.jpg ..., and KEY.json with two parallel lists as in OBELICS.

    Args:
      page: The page.
      kept: Ordinal among the page's image blocks -> image that passed every filter; none for a page of text alone.
      validation: Share of samples in the split val, 0 to 1.
    """
    texts: list[str | None] = []
    names: list[str | None] = []
    images: dict[str, StoredImage] = {}
    for item in positions(page, kept):
        if isinstance(item, str):
            texts.append(item)
            names.append(None)
        else:
            field = image_field(len(images), item.extension)
            images[field] = item
            texts.append(None)
            names.append(member_name(page.key, field))
    info = [{"name": member_name(page.key, field), **image.info} for field, image in images.items()]
    body = {"url": redacted(page.url), "title": page.title, "texts": texts, "images": names, "image_info": info}
    fields = {field: image.data for field, image in images.items()} | {"json": to_json(body)}
    first = next(iter(images.values()), None)
    row = SidecarRow(
        key=page.key,
        url=redacted(page.url),
        page_url=redacted(page.url),
        text_length=sum(len(text) for text in texts if text),
        images=len(images),
        width=None if first is None else first.width,
        height=None if first is None else first.height,
        sha256=None if first is None else first.facts.sha256,
        language=page.language,
        split=split_of(page.key, validation),
        license=page.license,
        opt_out_signals=_signals([*page.signals, *(s for image in images.values() for s in image.record.signals)]),
        scores=page.scores,
    )
    return UnwrittenSample(page.key, fields, row, images)


def pair_sample(pair: Pair, image: StoredImage, *, validation: float = 0.0) -> UnwrittenSample:
    """Return a pair as a sample in the layout of img2dataset and open_clip: KEY.jpg, KEY.txt, KEY.json.

    A pair without a text has no KEY.txt, and null as its caption.
    """
    body = {
        "key": pair.key,
        "url": redacted(pair.image_url),
        "page_url": redacted(pair.page_url),
        "caption": pair.text or None,
        "original_caption": pair.original,
        "text_source": pair.text_source,
        "status": "success",
        "error_message": None,
        "width": image.width,
        "height": image.height,
        "original_width": image.facts.width,
        "original_height": image.facts.height,
        "sha256": image.facts.sha256,
        "blurred_faces": image.blurred_faces,
        "columns": json.dumps(pair.columns, sort_keys=True, ensure_ascii=False) if pair.columns else None,
    }
    text = {"txt": pair.text.encode()} if pair.text else {}
    fields = {image.extension: image.data, **text, "json": to_json(body)}
    row = SidecarRow(
        key=pair.key,
        url=redacted(pair.image_url),
        page_url=redacted(pair.page_url),
        caption=pair.text or None,
        text_length=len(pair.text),
        images=1,
        width=image.width,
        height=image.height,
        sha256=image.facts.sha256,
        language=pair.language,
        split=split_of(image.facts.sha256, validation),
        license=pair.license,
        opt_out_signals=_signals(image.record.signals),
        scores=pair.scores,
    )
    return UnwrittenSample(pair.key, fields, row, {image.extension: image})


def members_of(sample: UnwrittenSample, places: Sequence[MemberPlace]) -> tuple[Member, ...]:
    """Return the members of a written sample for its sidecar row, from their places in the tar."""
    return tuple(_member(sample, place) for place in places)


def _member(sample: UnwrittenSample, place: MemberPlace) -> Member:
    member = Member(
        field=place.field, offset=place.offset, size=place.size, stored_sha256=place.sha256, crc32c=place.crc32c
    )
    image, known = sample.images.get(place.field), sample.known.get(place.field)
    if image is not None:
        return replace(member, sha256=image.facts.sha256, width=image.width, height=image.height)
    if known is not None:
        return replace(member, sha256=known.sha256, width=known.width, height=known.height)
    return member
