"""Handlers of `img`, `picture` and `source`: they add an image, or the text that it stands for."""

from corpusloom.pipelines.extract.reading import image_urls
from corpusloom.pipelines.extract.reading.element_rules import stands_for_text
from corpusloom.pipelines.extract.reading.fast_walk.walker import Attributes, Ending, Walker


def start_picture(walker: Walker, tag: str, attributes: Attributes) -> Ending:
    """Open a `picture`."""
    walker.picture = []
    return _end_picture, None


def _end_picture(walker: Walker, _saved: None) -> None:
    walker.picture = []


def start_source(walker: Walker, tag: str, attributes: Attributes) -> None:
    """Record the addresses of a source of the open `picture`."""
    kind = attributes.get("type", "")
    walker.picture.extend((srcset, kind) for srcset in image_urls.source_srcsets(attributes))


def start_image(walker: Walker, tag: str, attributes: Attributes) -> None:
    """Add an image, or the text that it stands for (emoji, formula)."""
    classes = attributes.get("class", "")
    if classes and stands_for_text(classes):
        _add_letters(walker, classes, attributes.get("alt", ""))
        return
    if walker.noscript and walker.noscript_images == walker.images:
        return  # the fallback, for browsers without scripts, of the image right before it
    walker.image_elements += 1
    if walker.image_elements > 4 * walker.config.max_images:
        walker.page.truncated = True
        return
    choice = image_urls.choose(attributes, walker.picture, walker.page.base)
    if isinstance(choice, image_urls.Choice):
        source = "noscript" if walker.noscript else choice.source
        walker.add_image(choice.url, source, attributes)


def _add_letters(walker: Walker, classes: str, alt_text: str) -> None:
    """Add an emoji, or an image's formula unless its TeX came right before."""
    if "math" not in classes:
        walker.pieces.append(alt_text)
    elif not (walker.pieces and walker.pieces[-1].startswith("$")):
        walker.pieces.append(f"${alt_text}$" if alt_text else "")
