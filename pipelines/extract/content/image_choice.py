"""Which images are a page's own: those among texts that are kept, its lead image, no signs, portraits or promotions.

Measured by `benchmarks/extract.py` on labelled articles; no rule knows a site.
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
"""An image declared smaller than this on both sides is an icon, in CSS pixels."""
_PICTURE_SIDE = 200
"""An image declared at least this large on both sides is a picture, whatever a doubtful word in its name says."""
_SIGN = re.compile(
    r"(?:^|[^a-z])(logos?|icons?|sprites?|avatars?|gravatar|buttons?|btn|favicons?|emoji|smil(?:ey|ies)|spinner|"
    r"loader|advert\w*|banner-?ads?|qr-?code)(?:[^a-z]|$)",
    re.IGNORECASE,
)
_DOUBTFUL = re.compile(
    r"(?:^|[^a-z])(badges?|flags?|arrows?|stars?|ratings?|social|share|payment)(?:[^a-z]|$)", re.IGNORECASE
)
"""Words of signs that charts and photographs have in their names as well."""
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
"""Each expression above matches only a text that has one of these words, or one that starts so."""
_PICTURE_FILE = re.compile(r"\.(jpe?g|png|webp|gif|avif|svg|bmp|tiff?)$", re.IGNORECASE)
_LETTERS = re.compile(r"[a-z]+")
_NAME_WORD = re.compile(r"[a-z]+|\d+", re.IGNORECASE)
_SIGN_WORDS = 3
"""Words of a name or alt text up to which a doubtful word names a sign: "star rating", not "a star above the bay"."""
_CONTEXT_CHARS = 60
"""Text that the surroundings of an image must hold before they speak for it."""
_BESIDE = 3
"""Candidates on either side that are its neighbours."""
_SMALL_PORTRAIT = 160
"""Longer declared side in CSS pixels up to which an image in an author's box is a portrait."""
_TEASER_LINKS = 0.3
"""Share of the text around a linked image that stands in links, from which both lead to another article."""


def place_reason(run: TextRun) -> str | None:
    """Return why a run is not main content by the elements and class words around it, or None."""
    for flag, reason in _PLACES:
        if run.flags & flag:
            return reason
    if not run.flags & (el.ARTICLE | el.MAIN):
        for flag, reason in _OUTSIDE_ARTICLE:
            if run.flags & flag:
                return reason
    return None


def sign_reason(run: TextRun) -> str | None:
    """Return icon, portrait or promotion for an image that is a sign by its size, address or alt text, or None."""
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
    if not is_picture and (_is_doubtful(name.rpartition(".")[0] or name) or _is_doubtful(alt_text)):
        return "icon"
    return "promotion" if _PROMOTION.search(name) else None


def _may_be_sign(text: str) -> bool:
    """False for most names and texts: those without any word that the expressions of signs know."""
    words = _LETTERS.findall(text.lower())
    return not _SIGN_WORDS_IN_NAMES.isdisjoint(words) or not _SIGN_STARTS.isdisjoint([word[:6] for word in words])


def _is_doubtful(text: str) -> bool:
    return bool(_DOUBTFUL.search(text)) and len(_NAME_WORD.findall(text)) <= _SIGN_WORDS


def _is_portrait(run: TextRun, path: str, name: str, sides: list[int]) -> bool:
    if _PORTRAIT_FOLDER.search(path) or _PORTRAIT.search(name):
        return True
    in_box = bool(run.flags & el.META_LINE)
    return in_box and bool(sides) and max(sides) <= _SMALL_PORTRAIT


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """Sums over the runs before each: characters, kept characters, characters in links (n + 1, 3)."""

    page: RawPage
    runs: Sequence[TextRun]
    sums: list[list[int]]
    first_kept: int
    """The first kept text that is no heading."""
    top: int
    """The h1 nearest before it, else that text itself."""
    leads: frozenset[str]
    """Names of the pictures that the page's metadata shows for it."""


def follow_texts(page: RawPage, runs: Sequence[TextRun], reasons: list[str | None]) -> None:
    """Decide on the images of a page whose texts are decided on: set None or a reason for each, in place."""
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
    if place == "header" and _stands_for_page(around, run):
        return None  # the large picture above an article
    if place is not None:
        return place
    if _is_lead(around, row) or (_between_kept(around, row) and not _leads_away(around, run)):
        return None
    return "boilerplate"


def _is_promoted(around: _Surroundings, run: TextRun) -> bool:
    """True for an image in a box that calls to action, or a banner that leads elsewhere."""
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
    """Return the sums of the smallest part of the page around an image that holds some text."""
    sections, at = around.page.sections, around.runs[row].section
    while True:
        section = sections[at]
        first, last = around.sums[section.first], around.sums[section.last]
        if last[0] - first[0] >= _CONTEXT_CHARS or at == 0:
            return last[0] - first[0], last[1] - first[1], last[2] - first[2]
        at = section.parent


def _leads_away(around: _Surroundings, run: TextRun) -> bool:
    """True for an image in a link to another page; a link to a picture is its larger version."""
    link = run.image.link if run.image is not None else None
    if not link or _PICTURE_FILE.search(link.partition("?")[0]):
        return False
    return _address(around.page.base) != _address(link)


@lru_cache(maxsize=4096)
def _address(url: str) -> tuple[str, str]:
    """Return the host and path of a URL."""
    parts = urlsplit(url)
    return parts.netloc, parts.path.rstrip("/")


def _stands_for_page(around: _Surroundings, run: TextRun) -> bool:
    """True for the image that the page's metadata shows it by."""
    return run.image is not None and picture_name(run.image.url) in around.leads


def _is_lead(around: _Surroundings, row: int) -> bool:
    """True for the image between a page's heading and its text, or right above that heading, or that it is shown by."""
    if _stands_for_page(around, around.runs[row]):
        return True
    if around.first_kept == len(around.runs) or _leads_away(around, around.runs[row]):
        return False
    return around.top - _BESIDE <= row <= around.first_kept


def _between_kept(around: _Surroundings, row: int) -> bool:
    """True when the runs on either side hold kept texts: an image between paragraphs."""
    before, after = max(row - _BESIDE, 0), min(row + _BESIDE + 1, len(around.runs))
    sums = around.sums
    return sums[row][1] > sums[before][1] and sums[after][1] > sums[row][1]
