"""The reference walk: the rules of the fast walk as a plain recursion over BeautifulSoup's tree.

Each function reads as the rule it states; tests compare the fast walk with it. To build the tree alone takes ten times
as long as the fast walk, so this walk serves as a yardstick, and as the fallback when the fast walk fails.
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
    """Walk UTF-8 source that `source.prepare` made harmless and return what it holds, as `fast_walk` does."""
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
"""Element -> its rule; an element without a rule is inline, left out, or a section."""
