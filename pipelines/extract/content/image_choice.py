"""Chooses the images of the main content: those among kept texts and the lead image, without icons and promotions.

`benchmarks/extract.py` measures the rules on labelled articles. No rule is specific to a site.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

import numpy as np

from corpusloom.pipelines.extract.reading import elements as el
from corpusloom.pipelines.extract.reading.image_urls import picture_name
from corpusloom.pipelines.extract.reading.types import RawPage, TextRun

_PLACES = (
    (el.HIDDEN, "hidden"),
    (el.NOSCRIPT, "noscript"),
    (el.NAV, "navigation"),
    (el.FOOTER, "footer"),
    (el.COOKIE, "notice"),
    (el.SOCIAL, "share_bar"),
    (el.RELATED, "related"),
    (el.DIALOG, "dialog"),
)
_OUTSIDE_ARTICLE = ((el.HEADER, "header"), (el.ASIDE, "aside"))
_ICON_SIDE = 48
"""An image with both declared sides below this many CSS pixels is an icon."""
_PICTURE_SIDE = 200
"""An image with both declared sides of at least this many CSS pixels is no icon in spite of an ambiguous name."""
_SIGN = re.compile(
    r"(?:^|[^a-z])(logos?|icons?|sprites?|avatars?|gravatar|buttons?|btn|favicons?|emoji|smil(?:ey|ies)|spinner|"
    r"loader|advert\w*|banner-?ads?|qr-?code)(?:[^a-z]|$)",
    re.IGNORECASE,
)
_AMBIGUOUS = re.compile(
    r"(?:^|[^a-z])(badges?|flags?|arrows?|stars?|ratings?|social|share|payment)(?:[^a-z]|$)", re.IGNORECASE
)
"""Words in the names of icons that also occur in names of charts and photographs."""
_PORTRAIT = re.compile(
    r"(?:^|[^a-z])(head-?_?shots?|author-?(?:photo|image|pic)?|profile-?_?(?:photo|pic\w*))(?:[^a-z]|$)", re.I
)
_PORTRAIT_FOLDER = re.compile(r"/(authors?|avatars?|headshots?|profile-?pictures?)/|gravatar\.com/", re.IGNORECASE)
_PROMOTION = re.compile(
    r"(?:^|[^a-z])(cta|call-to-action|(?:request|book|schedule)[-_](?:a[-_])?demo|demo[-_]request)(?:[^a-z]|$)",
    re.IGNORECASE,
)
_BANNER = re.compile(r"(?:^|[^a-z])banners?(?:[^a-z]|$)", re.IGNORECASE)
_PROMOTION_BOX = re.compile(r"(?:^|[\s_-])(cta|call-to-action)(?:[\s_-]|$)", re.IGNORECASE)
_BOX_LEVELS = 3
_SIGN_FOLDER = re.compile(r"/(icons?|social|logos?|badges?|emojis?|favicons?)(?:/|$)", re.IGNORECASE)
_SIGN_NAMES = (
    "logo logos icon icons sprite sprites avatar avatars gravatar button buttons btn favicon favicons emoji smiley "
    "smilies spinner loader banner banners bannerad bannerads qr qrcode badge badges emojis flag flags arrow arrows "
    "star stars rating ratings social share payment head headshot headshots author authors authorphoto authorimage "
    "authorpic cta call request book schedule demo"
)
_SIGN_WORDS_IN_NAMES = frozenset(_SIGN_NAMES.split())
_SIGN_STARTS = frozenset(("advert", "profil"))
"""Words and starts of words; a text without any of them matches none of the expressions above."""
_PICTURE_FILE = re.compile(r"\.(jpe?g|png|webp|gif|avif|svg|bmp|tiff?)$", re.IGNORECASE)
_LETTERS = re.compile(r"[a-z]+")
_NAME_WORD = re.compile(r"[a-z]+|\d+", re.IGNORECASE)
_SIGN_WORDS = 3
"""An ambiguous word means icon in texts of at most this many words: "star rating", not "a star above the bay"."""
_CONTEXT_CHARS = 60
"""Characters of text, at least, in the section whose kept share decides on an image inside it."""
_BESIDE = 3
"""Neighbouring runs on either side that are examined."""
_SMALL_PORTRAIT = 160
"""An image of at most this many CSS pixels (longer side) in a box about the author is a portrait."""
_TEASER_LINKS = 0.3
"""A linked image is a teaser of another article if more than this share of the characters around it is linked."""


def place_reason(run: TextRun) -> str | None:
    """Return the reason why the elements and class words around a run exclude it from main content, or None."""
    for flag, reason in _PLACES:
        if run.flags & flag:
            return reason
    if not run.flags & (el.ARTICLE | el.MAIN):
        for flag, reason in _OUTSIDE_ARTICLE:
            if run.flags & flag:
                return reason
    return None


def sign_reason(run: TextRun) -> str | None:
    """Return icon, portrait or promotion for an image that is one by its size, URL or alt text, or None."""
    image = run.image
    if image is None:
        return None
    sides = [side for side in (image.declared_width, image.declared_height) if side is not None]
    if len(sides) == 2 and max(sides) < _ICON_SIDE:
        return "icon"
    path = image.url.partition("?")[0]
    name = path.rsplit("/", 1)[-1]
    alt_text = (image.alt_text or "")[:40]
    if not (_may_be_sign(path) or _may_be_sign(alt_text) or run.flags & el.META_LINE):
        return None
    is_picture = len(sides) == 2 and min(sides) >= _PICTURE_SIDE
    if _is_portrait(run, path, name, sides):
        return "portrait"
    if (
        _SIGN.search(name)
        or _SIGN.search(alt_text)
        or (_SIGN_FOLDER.search(path) and (name.endswith(".svg") or "." not in name))
    ):
        return "icon"
    if not is_picture and (_is_ambiguous(name.rpartition(".")[0] or name) or _is_ambiguous(alt_text)):
        return "icon"
    return "promotion" if _PROMOTION.search(name) else None


def _may_be_sign(text: str) -> bool:
    """Return False for a text that cannot match the expressions above; faster than matching them."""
    words = _LETTERS.findall(text.lower())
    return not _SIGN_WORDS_IN_NAMES.isdisjoint(words) or not _SIGN_STARTS.isdisjoint([word[:6] for word in words])


def _is_ambiguous(text: str) -> bool:
    return bool(_AMBIGUOUS.search(text)) and len(_NAME_WORD.findall(text)) <= _SIGN_WORDS


def _is_portrait(run: TextRun, path: str, name: str, sides: list[int]) -> bool:
    if _PORTRAIT_FOLDER.search(path) or _PORTRAIT.search(name):
        return True
    in_box = bool(run.flags & el.META_LINE)
    return in_box and bool(sides) and max(sides) <= _SMALL_PORTRAIT


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """Data of a page that the rules for its images need."""

    page: RawPage
    runs: Sequence[TextRun]
    sums: list[list[int]]
    """(n + 1, 3) characters, kept characters and characters in links before each run."""
    first_kept: int
    """Index of the first kept text that is not a heading."""
    top: int
    """Index of the nearest h1 before that text, else of that text."""
    leads: frozenset[str]
    """Names of the images in the page's metadata."""


def follow_texts(page: RawPage, runs: Sequence[TextRun], reasons: list[str | None]) -> None:
    """Set the reasons of a page's images in place (None to keep), given the reasons of its texts."""
    places = [row for row, item in enumerate(runs) if item.image is not None]
    if not places:
        return
    chars = np.array([len(item.text) for item in runs], np.int64)
    kept = chars * np.array([reason is None for reason in reasons])
    links = np.minimum(np.array([item.link_chars for item in runs], np.int64), chars)
    sums = np.zeros((len(runs) + 1, 3), np.int64)
    np.cumsum(np.column_stack([chars, kept, links]), axis=0, out=sums[1:])
    bodies = [row for row, item in enumerate(runs) if kept[row] and item.kind != "heading"]
    first_kept = bodies[0] if bodies else len(runs)
    heads = [row for row, item in enumerate(runs[:first_kept]) if item.level == 1 and place_reason(item) is None]
    leads = frozenset(picture_name(url) for url, _name in page.meta_images)
    around = _Surroundings(page, runs, sums.tolist(), first_kept, heads[-1] if heads else first_kept, leads)
    for row in places:
        reasons[row] = _image_reason(around, row)


def _image_reason(around: _Surroundings, row: int) -> str | None:
    run = around.runs[row]
    sign = sign_reason(run)
    if sign is not None:
        return sign
    if run.flags & el.HIDDEN:
        return "hidden"
    if _is_promoted(around, run):
        return "promotion"
    chars, kept, links = _context(around, row)
    if chars and 2 * kept >= chars:
        return "related" if _leads_away(around, run) and links > _TEASER_LINKS * chars else None
    place = place_reason(run)
    if place == "header" and _is_in_metadata(around, run):
        return None  # the large picture above an article
    if place is not None:
        return place
    if _is_lead(around, row) or (_between_kept(around, row) and not _leads_away(around, run)):
        return None
    return "boilerplate"


def _is_promoted(around: _Surroundings, run: TextRun) -> bool:
    """Return whether an image is in a call-to-action box, or is a banner that links to another page."""
    name = run.image.url.partition("?")[0].rpartition("/")[2] if run.image is not None else ""
    if _BANNER.search(name) and _leads_away(around, run):
        return True
    sections, at = around.page.sections, run.section
    for _level in range(_BOX_LEVELS):
        if _calls_to_action(sections[at].classes):
            return True
        at = sections[at].parent
    return False


@lru_cache(maxsize=16384)
def _calls_to_action(classes: str) -> bool:
    return bool(_PROMOTION_BOX.search(classes))


def _context(around: _Surroundings, row: int) -> tuple[int, int, int]:
    """Return characters, kept and linked characters of the smallest section with `_CONTEXT_CHARS` around an image."""
    sections, at = around.page.sections, around.runs[row].section
    while True:
        section = sections[at]
        first, last = around.sums[section.first], around.sums[section.last]
        if last[0] - first[0] >= _CONTEXT_CHARS or at == 0:
            return last[0] - first[0], last[1] - first[1], last[2] - first[2]
        at = section.parent


def _leads_away(around: _Surroundings, run: TextRun) -> bool:
    """Return whether an image links to another page; a link to an image file leads to a larger version."""
    link = run.image.link if run.image is not None else None
    if not link or _PICTURE_FILE.search(link.partition("?")[0]):
        return False
    return _address(around.page.base) != _address(link)


@lru_cache(maxsize=4096)
def _address(url: str) -> tuple[str, str]:
    """Return the host and path of a URL."""
    parts = urlsplit(url)
    return parts.netloc, parts.path.rstrip("/")


def _is_in_metadata(around: _Surroundings, run: TextRun) -> bool:
    """Return whether the page's metadata lists an image."""
    return run.image is not None and picture_name(run.image.url) in around.leads


def _is_lead(around: _Surroundings, row: int) -> bool:
    """Return whether an image is between heading and text, right above the heading, or in the page's metadata."""
    if _is_in_metadata(around, around.runs[row]):
        return True
    if around.first_kept == len(around.runs) or _leads_away(around, around.runs[row]):
        return False
    return around.top - _BESIDE <= row <= around.first_kept


def _between_kept(around: _Surroundings, row: int) -> bool:
    """Return whether there is a kept text among the `_BESIDE` runs on either side of an image."""
    before, after = max(row - _BESIDE, 0), min(row + _BESIDE + 1, len(around.runs))
    sums = around.sums
    return sums[row][1] > sums[before][1] and sums[after][1] > sums[row][1]
