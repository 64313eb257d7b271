"""What HTML's elements and common class words mean for a block walk. Tables only; both walks read them."""

import re
from functools import lru_cache


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


INLINE = _names(
    "abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark nobr output q rb rp rt ruby s "
    "samp small span strike strong sub sup time tt u var blink"
)
"""Elements that do not separate texts; `a` is one too, and has a handler of its own."""
SKIPPED = _names(
    "script style template iframe object embed applet select svg canvas audio video map datalist textarea progress "
    "meter frameset noframes param input frame"
)
"""Elements whose contents are no text of the page. `noscript`, `form` and `nav` are walked, with a flag."""
HEADINGS = {f"h{level}": level for level in range(1, 7)}
RAW_TEXT = frozenset(("pre", "listing", "xmp", "plaintext"))

# What is known of a place in the page; a section inherits its parent's.
NAV, HEADER, FOOTER, ASIDE, FORM, HIDDEN, ARTICLE, MAIN = (1 << bit for bit in range(8))
LIST, TABLE, FIGURE, QUOTE, NOSCRIPT, DIALOG, NEGATIVE, POSITIVE = (1 << bit for bit in range(8, 16))
COMMENTS, RELATED, SOCIAL, COOKIE, CARD, PRODUCT, ADVERT, META_LINE = (1 << bit for bit in range(16, 24))

FLAG_COUNT = 24

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
_WORDS = (
    (
        NAV,
        r"\b(main|site|top|sub|side|page|mobile|mega|primary)?-?_?(nav|navbar|navigation|menu|megamenu|breadcrumbs?|pagination|pager|toc|skip-?link)\b",
    ),
    (HEADER, r"\b(site|page|global|main)[-_]?header\b|\bmasthead\b|\btopbar\b"),
    (FOOTER, r"\bfooter\b|\bcolophon\b|\bcopyright\b|\blegal\b"),
    (ASIDE, r"\b(side-?bar|aside|rail|widgets?|widget-area)\b"),
    (COMMENTS, r"\bcomments?(-?(list|area|section|thread|body))?\b|\bdisqus\b|\brespond\b"),
    (
        RELATED,
        r"\b(related|recommend\w*|more-(from|posts|stories)|you-may|read-?(more|next)|trending|popular|similar|upsell|cross-?sell|recirc\w*)\b",
    ),
    (SOCIAL, r"\b(social|share|sharing|sharedaddy|addtoany|follow|tweet)\b"),
    (
        COOKIE,
        r"\b(cookies?|consent|gdpr|ccpa|onetrust|newsletter|subscribe|subscription|sign-?up|signin|login|popup|modal|overlay|promo|paywall)\b",
    ),
    (ADVERT, r"\b(ads?|advert\w*|sponsor\w*|banner|dfp|taboola|outbrain)\b"),
    (CARD, r"\b(cards?|tiles?|teasers?|grid-?item|listing|result|product-?(item|card|tile|grid))\b"),
    (PRODUCT, r"\b(product|description|specs?|specification|details?|features?|review)\b"),
    (META_LINE, r"\b(meta|byline|author|date|time|tags?|categor(y|ies)|posted|published|read-?time)\b"),
    (
        POSITIVE,
        r"\b(article|entry|post|story|content|body|text|main|markdown|prose|rich-?text|wysiwyg|message|answer|question)\b",
    ),
)
_HIDDEN_CLASS = r"(?:^|\s)(hidden|visually-?hidden|sr-only|screen-reader(-text)?|d-none|is-hidden|invisible)(?:\s|$)"
_GROUPS = [(flag, re.compile(pattern)) for flag, pattern in _WORDS]
_CLASS_HIDDEN = re.compile(_HIDDEN_CLASS)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_STYLE_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
CAPTION_CLASS = re.compile(
    r"(?:^|[\s_-])(wp-caption-text|caption|image-caption|photo-caption|img-caption|figcaption|thumbcaption)(?:[\s_-](?:text|content))?(?:\s|$)",
    re.IGNORECASE,
)


@lru_cache(maxsize=65536)
def class_flags(names: str) -> int:
    """Return the flags that the words of a class and id attribute set."""
    flags = 0
    for name in names.split():
        flags |= _name_flags(name)
    return flags


@lru_cache(maxsize=65536)
def _name_flags(name: str) -> int:
    # Pages bring new attributes, but few new names: most are looked up, not searched.
    text = _CAMEL.sub("-", name).lower().replace("_", "-")
    flags = HIDDEN if _CLASS_HIDDEN.search(text) else 0
    for flag, pattern in _GROUPS:
        if pattern.search(text):
            flags |= flag
    return flags


def style_hides(style: str) -> bool:
    """True when an inline style hides the element."""
    return bool(_STYLE_HIDDEN.search(style[:2000]))


_INLINE_SKIPPED = re.compile(
    r"(?:^|[\s])(mw-editsection|headerlink|anchorjs-link|sr-only|visually-?hidden|screen-reader-text|katex-html|"
    r"MathJax_Preview|MathJax|d-none|hidden)(?:[\s]|$)",
    re.IGNORECASE,
)


@lru_cache(maxsize=16384)
def inline_is_skipped(classes: str) -> bool:
    """True for inline elements that no reader sees as text: edit links, permalinks, maths twins."""
    return bool(_INLINE_SKIPPED.search(classes[:300]))
