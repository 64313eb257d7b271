"""Tables of HTML elements and common class words, used by both walks."""

import re
from functools import lru_cache


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


INLINE = _names(
    "abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark nobr output q rb rp rt ruby s "
    "samp small span strike strong time tt u var blink"
)
"""Elements that do not separate texts. `a`, `sup` and `sub`, which do not either, have handlers of their own."""
SKIPPED = _names(
    "script style template iframe object embed applet select svg canvas audio video map datalist textarea progress "
    "meter frameset noframes param input frame"
)
"""Elements whose contents are not text of the page. `noscript`, `form` and `nav` are walked, with a flag."""
COLLAPSED = frozenset(("nav", "footer"))
"""Elements read as one run with one line per entry; they have a quarter of all sections and hardly any content."""
OPENING = frozenset(("main", "article", "h1"))
"""Elements that never occur inside a menu: if one starts there, the menu's or footer's end tag is missing."""
HEADINGS = {f"h{level}": level for level in range(1, 7)}
RAW_TEXT = frozenset(("pre", "listing", "xmp", "plaintext"))

# Flags of a section; a section inherits those of its parent.
NAV, HEADER, FOOTER, ASIDE, FORM, HIDDEN, ARTICLE, MAIN = (1 << bit for bit in range(8))
LIST, TABLE, FIGURE, QUOTE, NOSCRIPT, DIALOG, NEGATIVE, POSITIVE = (1 << bit for bit in range(8, 16))
COMMENTS, RELATED, SOCIAL, COOKIE, CARD, PRODUCT, ADVERT, META_LINE = (1 << bit for bit in range(16, 24))
REVIEWS, SPECS, BUYING = (1 << bit for bit in range(24, 27))

FLAG_COUNT = 27

TAG_FLAGS = {
    "nav": NAV,
    "menu": NAV,
    "header": HEADER,
    "footer": FOOTER,
    "aside": ASIDE,
    "form": FORM,
    "fieldset": FORM,
    "article": ARTICLE,
    "main": MAIN,
    "ul": LIST,
    "ol": LIST,
    "dl": LIST,
    "table": TABLE,
    "figure": FIGURE,
    "blockquote": QUOTE,
    "noscript": NOSCRIPT,
    "dialog": DIALOG | HIDDEN,
    "address": META_LINE,
}
ROLE_FLAGS = {
    "navigation": NAV,
    "menu": NAV,
    "menubar": NAV,
    "banner": HEADER,
    "contentinfo": FOOTER,
    "complementary": ASIDE,
    "search": FORM,
    "dialog": DIALOG,
    "alertdialog": DIALOG,
    "main": MAIN,
    "article": ARTICLE,
}


def _joined(starts: str, ends: str) -> str:
    return " ".join(start + end for start in starts.split(" ") for end in ends.split())


_WORDS: dict[int, str] = {
    NAV: _joined(
        " main site top sub side page mobile mega primary",
        "nav navbar navigation menu megamenu breadcrumb breadcrumbs pagination pager toc skiplink",
    ),
    HEADER: "siteheader pageheader globalheader mainheader masthead topbar",
    FOOTER: "footer colophon copyright legal",
    ASIDE: "sidebar aside rail widget widgets",
    COMMENTS: "comment comments disqus respond " + _joined("comment comments", "list area section thread body"),
    RELATED: "related readmore readnext trending popular similar upsell crosssell",
    SOCIAL: "social share sharing sharedaddy addtoany follow",
    COOKIE: "cookie cookies consent gdpr ccpa onetrust newsletter subscribe subscription signup signin login popup "
    "modal overlay promo paywall",
    ADVERT: "ad ads banner dfp taboola outbrain",
    CARD: "card cards tile tiles teaser teasers griditem listing result "
    "productitem productcard producttile productgrid",
    PRODUCT: "product description spec specs specification detail details feature features review",
    META_LINE: "meta byline author date time tag tags category categories posted published readtime",
    REVIEWS: "review reviews rating ratings testimonial testimonials bazaarvoice yotpo",
    SPECS: "spec specs specification specifications attributes technical dimensions ingredients",
    BUYING: "price prices pricing cart basket buy buybox checkout sku stock quantity qty variant variants swatch "
    "swatches option options shipping delivery",
    POSITIVE: "article entry post story content body text main markdown prose richtext wysiwyg message answer question",
}
_PAIRS: dict[int, str] = {
    NAV: "skip-link",
    HEADER: "site-header page-header global-header main-header",
    ASIDE: "side-bar",
    RELATED: "more-from more-posts more-stories you-may read-more read-next cross-sell",
    SOCIAL: "tweet-button tweet-btn tweet-this tweet-link button-tweet btn-tweet to-tweet",
    COOKIE: "sign-up",
    CARD: "grid-item product-item product-grid",
}
"""Flags of pairs of adjacent words whose single words do not have that meaning."""
_STEMS = (("recommend", RELATED), ("recirc", RELATED), ("advert", ADVERT), ("sponsor", ADVERT))
_HIDING = _names(
    "hidden visually-hidden visuallyhidden sr-only screen-reader screen-reader-text d-none is-hidden invisible"
)


def _by_word(table: dict[int, str]) -> dict[str, int]:
    flags: dict[str, int] = {}
    for flag, words in table.items():
        for word in words.split():
            flags[word] = flags.get(word, 0) | flag
    return flags


_WORD_FLAGS, _PAIR_FLAGS = _by_word(_WORDS), _by_word(_PAIRS)
_STEM_STARTS = frozenset(stem[:6] for stem, _flag in _STEMS)
_PAIR_STARTS = frozenset(pair.partition("-")[0] for pair in _PAIR_FLAGS)
_BETWEEN = re.compile(r"\W")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_STYLE_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
CAPTION_CLASS = re.compile(
    r"(?:^|[\s_-])(wp-caption-text|caption|image-caption|photo-caption|img-caption|figcaption|thumbcaption)(?:[\s_-](?:text|content))?(?:\s|$)",
    re.IGNORECASE,
)


@lru_cache(maxsize=65536)
def class_flags(names: str) -> int:
    """Return the flags that the words of a class and id attribute set; an embedded post is no share bar."""
    flags = 0
    for name in names.split():
        flags |= _name_flags(name)
    if flags & SOCIAL and "embed" in names.lower():
        flags &= ~SOCIAL
    return flags


@lru_cache(maxsize=65536)
def _name_flags(name: str) -> int:
    # Cached by name, since names recur over pages. A dictionary is fastest, since most words have no flag.
    text = _CAMEL.sub("-", name).lower().replace("_", "-")
    flags = HIDDEN if text in _HIDING else 0
    before = ""
    for word in text.split("-") if text.replace("-", "").isalnum() else _BETWEEN.split(text):
        flags |= _WORD_FLAGS.get(word, 0)
        if before in _PAIR_STARTS:
            flags |= _PAIR_FLAGS.get(f"{before}-{word}", 0)
        if word[:6] in _STEM_STARTS:
            flags |= next((flag for stem, flag in _STEMS if word.startswith(stem)), 0)
        before = word
    return flags


def style_hides(style: str) -> bool:
    """Return whether an inline style hides the element."""
    return bool(_STYLE_HIDDEN.search(style[:2000]))


_INLINE_SKIPPED = re.compile(
    r"(?:^|[\s])(mw-editsection|headerlink|anchorjs-link|sr-only|visually-?hidden|screen-reader-text|katex-html|"
    r"MathJax_Preview|MathJax|d-none|hidden)(?:[\s]|$)",
    re.IGNORECASE,
)


@lru_cache(maxsize=16384)
def inline_is_skipped(classes: str) -> bool:
    """Return whether an inline element's classes mark it as no text: edit links, permalinks, copies of formulas."""
    return bool(_INLINE_SKIPPED.search(classes[:300]))
