"""The reference walk: the rules of the fast walk as a plain recursion over BeautifulSoup's tree.

Tests compare the fast walk with it, and it is the fallback if the fast walk raises. Building the tree alone takes ten
times as long as the fast walk.
"""

import warnings
from collections.abc import Mapping

from bs4 import BeautifulSoup, XMLParsedAsHTMLWarning

from corpusloom.pipelines.extract.reading import elements as el
from corpusloom.pipelines.extract.reading import texts
from corpusloom.pipelines.extract.reading.reference_walk import image_elements, inline, page_facts, structures
from corpusloom.pipelines.extract.reading.reference_walk.reader import ElementRule, Reader
from corpusloom.pipelines.extract.reading.types import ExtractConfig, RawPage


def reference_walk(source: bytes, url: str, config: ExtractConfig) -> RawPage:
    """Walk UTF-8 source that `source.prepare` returned; the result equals that of `fast_walk`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)  # XHTML on the web is read as HTML, as browsers do
        soup = BeautifulSoup(source, "lxml", from_encoding="utf-8", multi_valued_attributes=None)
    reader = Reader(url, config, RULES)
    reader.children(soup, 0)
    reader.flush()
    reader.page.sections[0].last = len(reader.page.runs)
    return reader.page


RULES: Mapping[str, ElementRule] = {
    **dict.fromkeys(("html", "head", "body", "wbr"), inline.transparent),
    **dict.fromkeys(texts.RAISED, inline.raised),
    **dict.fromkeys(("ul", "ol", "dl", "menu", "dir"), structures.listing),
    **dict.fromkeys(("li", "dt", "dd"), structures.item),
    **dict.fromkeys(("td", "th"), structures.cell),
    **dict.fromkeys(("img", "amp-img", "image"), image_elements.image),
    **dict.fromkeys(el.COLLAPSED, structures.collapsed),
    **dict.fromkeys(el.OPENING, structures.opening),
    "a": inline.link,
    "br": inline.line_break,
    "hr": inline.horizontal_rule,
    "math": inline.math,
    "table": structures.table,
    "tr": structures.row,
    "caption": structures.table_caption,
    "div": structures.division,
    "figure": structures.figure,
    "noscript": structures.noscript,
    "template": structures.template,
    "picture": image_elements.picture,
    "source": image_elements.source,
    "title": page_facts.title,
    "script": page_facts.script,
    "base": page_facts.base,
    "meta": page_facts.meta,
    "link": page_facts.head_link,
    "frameset": page_facts.frameset,
}
"""Element -> rule; an element without a rule is inline, skipped, or a section."""
