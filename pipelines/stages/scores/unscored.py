"""Finds the images and texts of the selected records that a model has not scored yet."""

from collections.abc import Iterator
from dataclasses import dataclass

from corpusloom.pipelines.stages.kinds.registry import kind_of
from corpusloom.pipelines.stages.selected_records import SelectedRecords, key_range, selected
from corpusloom.pipelines.store.images.index import ImageIndex
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.model_scores import ModelScores, text_sha256
from corpusloom.schemas import identity
from corpusloom.schemas.records import Head


@dataclass(frozen=True, slots=True)
class ImageAndText:
    """An image of the store and a text to compare it with."""

    sha256: str
    """SHA-256 of the image."""
    image_key: str
    """Key of a URL of the image in the store's index."""
    text: str


@dataclass(frozen=True, slots=True)
class StoredImages:
    """The images of a store that can be scored: fetched, with facts, and decodable."""

    store: ImageStore
    index: ImageIndex

    def find(self, url: str) -> tuple[str, str] | None:
        """Return the sha256 and the key of the image of a URL, or None if there is none to score."""
        key = identity.image_key(url)
        record = self.index.find(key)
        if record is None or record.outcome != "kept" or record.sha256 is None:
            return None
        facts = self.store.facts().get(record.sha256)
        return None if facts is None or facts.error is not None else (record.sha256, key)


def key_ranges(parts: int, *, local: bool) -> list[list[int]]:
    """Return the key ranges that one pipeline each scores.

    It is one on this machine, whose memory holds the embeddings of a range's texts, 1 KB for each of 10,000 records.
    """
    return [[part] for part in range(parts)] if local else [[*range(parts)]]


def scored_texts(part: int, parts: int, records: SelectedRecords, images: StoredImages) -> Iterator[ImageAndText]:
    """Yield each image that can be scored and its text, of the selected records in one of `parts` key ranges."""
    texts_of = kind_of(records.recipe).texts
    for record, _ in selected(records, *key_range(part, parts)):
        if isinstance(record, Head):  # taken down
            continue
        for url, texts in texts_of(record, records.recipe):
            image = images.find(url)
            if image is not None:
                yield from (ImageAndText(*image, text) for text in texts)


def unscored_texts(
    part: int, parts: int, records: SelectedRecords, images: StoredImages, known: ModelScores
) -> Iterator[ImageAndText]:
    """Yield those images and texts that have no score."""
    for item in scored_texts(part, parts, records, images):
        if known.find(item.sha256, text_sha256(item.text)) is None:
            yield item
