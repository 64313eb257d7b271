"""Handlers of elements with metadata of the page: title, base, meta, links of the head, JSON-LD scripts."""

from corpusloom.pipelines.extract.reading import image_urls, texts
from corpusloom.pipelines.extract.reading.element_rules import (
    MAX_JSON_LD,
    MAX_METAS,
    META_IMAGES,
    base_beside_canonical,
    math_text,
)
from corpusloom.pipelines.extract.reading.fast_walk.walker import Attributes, Ending, Walker


def start_title(walker: Walker, tag: str, attributes: Attributes) -> Ending:
    """Read the title; only the first one is used."""
    if walker.page.title:
        return walker.skip()

    def set_title(text: str) -> None:
        walker.page.title = texts.inline(text)

    return walker.start_captured(set_title)


def start_script(walker: Walker, tag: str, attributes: Attributes) -> Ending:
    """Read JSON-LD and TeX; skip all other scripts."""
    kind = attributes.get("type", "").strip().lower()
    if kind.startswith("application/ld+json") and len(walker.page.json_ld) < MAX_JSON_LD:
        return walker.start_captured(walker.page.json_ld.append)
    if kind.startswith("math/tex"):
        return walker.start_captured(lambda tex: walker.pieces.append(math_text(tex, "", "display" in kind)))
    return walker.skip()


def start_base(walker: Walker, tag: str, attributes: Attributes) -> None:
    """Record the URL against which relative URLs are resolved; only the first `base` is used."""
    if walker.has_base or "href" not in attributes:
        return
    walker.has_base = True
    walker.page.base = image_urls.absolute(attributes["href"], walker.url) or walker.url


def start_meta(walker: Walker, tag: str, attributes: Attributes) -> None:
    """Record metadata of the page, or an image that represents it."""
    name = (attributes.get("property") or attributes.get("name") or attributes.get("itemprop") or "").lower()
    content = attributes.get("content", "")
    if not name or not content or len(walker.page.metas) > MAX_METAS:
        return
    if name in META_IMAGES:
        walker.page.meta_images.append((content, name))
    else:
        walker.page.metas.setdefault(name, content)


def start_head_link(walker: Walker, tag: str, attributes: Attributes) -> None:
    """Record the canonical URL, an image that represents the page, or a licence."""
    rels = attributes.get("rel", "").lower().split()
    href = attributes.get("href", "")
    if "canonical" in rels and walker.page.canonical is None:
        walker.page.canonical = href
        walker.page.base = base_beside_canonical(walker.page.base, href)
    elif "image_src" in rels:
        walker.page.meta_images.append((href, "image_src"))
    elif "license" in rels:
        walker.page.licenses.append((href, True))


def start_frameset(walker: Walker, tag: str, attributes: Attributes) -> None:
    """Record that the page is a frameset, which has no text of its own."""
    walker.page.frameset = True
