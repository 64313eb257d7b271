"""Rules of elements with metadata of the page: title, base, meta, links of the head, JSON-LD scripts."""

from bs4.element import Tag

from corpusloom.pipelines.extract.reading import element_rules, image_urls, texts
from corpusloom.pipelines.extract.reading.reference_walk.reader import Reader, all_text, attribute


def title(reader: Reader, tag: Tag, depth: int) -> None:
    """Read the title; only the first one is used."""
    if not reader.page.title:
        reader.page.title = texts.inline(all_text(tag))


def script(reader: Reader, tag: Tag, depth: int) -> None:
    """Read JSON-LD and TeX; skip all other scripts."""
    kind = attribute(tag, "type").strip().lower()
    if kind.startswith("application/ld+json") and len(reader.page.json_ld) < element_rules.MAX_JSON_LD:
        reader.page.json_ld.append(all_text(tag))
    elif kind.startswith("math/tex"):
        reader.pieces.append(element_rules.math_text(all_text(tag), "", "display" in kind))


def base(reader: Reader, tag: Tag, depth: int) -> None:
    """Record the URL against which relative URLs are resolved; only the first `base` is used."""
    if not reader.has_base and tag.has_attr("href"):
        reader.has_base = True
        reader.page.base = image_urls.absolute(attribute(tag, "href"), reader.url) or reader.url


def meta(reader: Reader, tag: Tag, depth: int) -> None:
    """Record metadata of the page, or an image that represents it."""
    name = (attribute(tag, "property") or attribute(tag, "name") or attribute(tag, "itemprop")).lower()
    content = attribute(tag, "content")
    if not name or not content or len(reader.page.metas) > element_rules.MAX_METAS:
        return
    if name in element_rules.META_IMAGES:
        reader.page.meta_images.append((content, name))
    else:
        reader.page.metas.setdefault(name, content)


def head_link(reader: Reader, tag: Tag, depth: int) -> None:
    """Record the canonical URL, an image that represents the page, or a licence."""
    rels, href = attribute(tag, "rel").lower().split(), attribute(tag, "href")
    if "canonical" in rels and reader.page.canonical is None:
        reader.page.canonical = href
        reader.page.base = element_rules.base_beside_canonical(reader.page.base, href)
    elif "image_src" in rels:
        reader.page.meta_images.append((href, "image_src"))
    elif "license" in rels:
        reader.page.licenses.append((href, True))


def frameset(reader: Reader, tag: Tag, depth: int) -> None:
    """Record that the page is a frameset, which has no text of its own."""
    reader.page.frameset = True
    reader.children(tag, depth + 1)
