"""The fast walk: one pass over libxml2's parse events, without a tree, in linear time at any nesting depth.

The reference walk (`reference_walk/`) applies the same rules to a tree; tests compare the two.
"""

from collections.abc import Mapping

from lxml import etree

from corpusloom.pipelines.extract.reading import elements as el
from corpusloom.pipelines.extract.reading import texts
from corpusloom.pipelines.extract.reading.fast_walk import image_elements, inline, page_facts, structures
from corpusloom.pipelines.extract.reading.fast_walk.walker import Handler, Walker
from corpusloom.pipelines.extract.reading.types import ExtractConfig, RawPage


def fast_walk(source: bytes, url: str, config: ExtractConfig) -> RawPage:
    """Walk UTF-8 source that `source.prepare` returned, and return its runs, sections, tables and metadata."""
    walker = Walker(url, config, HANDLERS, IN_COLLAPSED)
    parser = etree.HTMLParser(target=walker, encoding="utf-8", huge_tree=True)
    if source.strip():
        etree.fromstring(source, parser)
    return walker.page


HANDLERS: Mapping[str, Handler] = {
    **dict.fromkeys(el.INLINE, inline.start_inline),
    **dict.fromkeys(el.SKIPPED, inline.start_skipped),
    **dict.fromkeys(("html", "head", "body", "wbr"), inline.start_nothing),
    **dict.fromkeys(("ul", "ol", "dl", "menu", "dir"), structures.start_list),
    **dict.fromkeys(("li", "dt", "dd"), structures.start_item),
    **dict.fromkeys(("td", "th"), structures.start_cell),
    **dict.fromkeys(("img", "amp-img", "image"), image_elements.start_image),
    "a": inline.start_link,
    **dict.fromkeys(texts.RAISED, inline.start_raised),
    "br": inline.start_break,
    "hr": inline.start_rule,
    **dict.fromkeys(el.COLLAPSED, structures.start_collapsed),
    **dict.fromkeys(el.OPENING, structures.start_opening),
    "table": structures.start_table,
    "tr": structures.start_row,
    "caption": structures.start_table_caption,
    "div": structures.start_div,
    "figure": structures.start_figure,
    "noscript": structures.start_noscript,
    "template": structures.start_template,
    "picture": image_elements.start_picture,
    "source": image_elements.start_source,
    "math": inline.start_math,
    "title": page_facts.start_title,
    "script": page_facts.start_script,
    "base": page_facts.start_base,
    "meta": page_facts.start_meta,
    "link": page_facts.start_head_link,
    "frameset": page_facts.start_frameset,
}
"""Element -> handler; an element without a handler is a section."""
IN_COLLAPSED: Mapping[str, Handler] = {
    **dict.fromkeys(el.SKIPPED, inline.start_skipped),
    **dict.fromkeys(("noscript", "template", "math"), inline.start_skipped),
    **{tag: HANDLERS[tag] for tag in (*el.INLINE, *texts.RAISED, "a", "html", "head", "body", "wbr")},
    **{tag: HANDLERS[tag] for tag in ("script", "title", "base", "meta", "link")},
}
"""Element -> handler inside a menu or footer; an element without a handler begins a new line."""
