"""Rules of `img`, `picture` and `source`: they add an image, or the text that it stands for."""

from bs4.element import Tag

from corpusloom.pipelines.extract.reading import element_rules, image_urls
from corpusloom.pipelines.extract.reading.reference_walk.reader import Reader, attribute, attributes_of


def picture(reader: Reader, tag: Tag, depth: int) -> None:
    """Read a `picture`."""
    reader.picture = []
    reader.children(tag, depth + 1)
    reader.picture = []


def source(reader: Reader, tag: Tag, depth: int) -> None:
    """Record the addresses of a source of the open `picture`."""
    srcsets = image_urls.source_srcsets(attributes_of(tag))
    reader.picture.extend((srcset, attribute(tag, "type")) for srcset in srcsets)
    reader.children(tag, depth + 1)


def image(reader: Reader, tag: Tag, depth: int) -> None:
    """Add an image, or the text that it stands for; skip a `noscript` fallback right after its image."""
    attributes = attributes_of(tag)
    classes = attributes.get("class", "")
    if classes and element_rules.stands_for_text(classes):
        _add_letters(reader, classes, attributes.get("alt", ""))
    elif not (reader.noscript and reader.noscript_images == reader.images):
        reader.image_elements += 1
        too_many = reader.image_elements > 4 * reader.config.max_images
        reader.page.truncated = reader.page.truncated or too_many
        choice = None if too_many else image_urls.choose(attributes, reader.picture, reader.page.base)
        if isinstance(choice, image_urls.Choice):
            reader.add_image(choice.url, "noscript" if reader.noscript else choice.source, attributes)
    reader.children(tag, depth + 1)


def _add_letters(reader: Reader, classes: str, alt_text: str) -> None:
    """Add an emoji, or an image's formula unless its TeX came right before."""
    if "math" not in classes:
        reader.pieces.append(alt_text)
    elif not (reader.pieces and reader.pieces[-1].startswith("$")):
        reader.pieces.append(f"${alt_text}$" if alt_text else "")
