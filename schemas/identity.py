"""Identity of pages, images and pairs: canonical URLs, and the keys that are made from them."""

import hashlib
import re
import unicodedata
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes, urlsplit, urlunsplit

from publicsuffixlist import PublicSuffixList

from corpusloom.schemas.urls.hosts import host_and_port

_TRACKING = re.compile(
    r"^(utm_.*|gclid|fbclid|msclkid|dclid|yclid|mc_cid|mc_eid|igshid|_ga|phpsessid|sessionid|sid)$", re.I
)
_SESSION = re.compile(r";jsessionid=[^/?#;]*", re.I)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PATH_SAFE = "!$&'()*+,;=:@/"
_QUERY_SAFE = _PATH_SAFE + "?"


def make_key(kind: str, *identity: str) -> str:
    """Return a record's key: blake2b-128 over its kind and identity, as 32 hex digits."""
    text = "\x00".join((kind, *identity))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def page_key(url: str) -> str:
    """Return the key of a page, from its canonical URL without scheme and leading www."""
    return make_key("page", _identity(canonical_url(url)))


def image_key(url: str) -> str:
    """Return the key of an image URL. The query is kept unchanged, since image servers identify the picture by it."""
    return make_key("image", _image_identity(url))


def pair_key(image_url: str, text: str) -> str:
    """Return the key of a pair, from the identity of its image URL and its text in NFC."""
    return make_key("pair", _image_identity(image_url), unicodedata.normalize("NFC", text))


@lru_cache(8)
def _image_identity(url: str) -> str:
    """Return the identity of an image URL; those of one page are asked for in turn, each by several keys."""
    return _identity(canonical_url(url, keep_query=True))


def _identity(canonical: str) -> str:
    return re.sub(r"^https?://(www\.)?", "//", canonical)


def _normalise_path(path: str) -> str:
    """Decode unreserved characters, put other escapes in upper case and resolve dot segments."""
    path = quote(unquote_to_bytes(path.replace("%2F", "%252F").replace("%2f", "%252F")), safe=_PATH_SAFE + "%")
    path = path.replace("%252F", "%2F")
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if len(segments) > 1:
                segments.pop()
        elif segment != ".":
            segments.append(segment)
    if path.endswith(("/.", "/..")):
        segments.append("")
    return "/".join(segments) or "/"


def _normalise_query(query: str) -> str:
    items = [item for item in query.split("&") if item]
    kept = [item for item in items if not _TRACKING.match(item.partition("=")[0])]
    return "&".join(sorted(kept, key=lambda item: item.partition("=")[::2]))


def host_of(url: str) -> str:
    """Return the host of a URL as browsers ask it, without port or final dot; "" if it has none."""
    try:
        return host_and_port(urlsplit(url).netloc)[0]
    except ValueError:
        return ""


def canonical_url(url: str, *, keep_query: bool = False) -> str:
    """Return the canonical form of a URL (RFC 3986, section 6). Keys are made from it; it is never fetched.

    Scheme and host are put in lower case and punycode; default port, user info, fragment and session ids are
    removed; dot segments are resolved. Unless `keep_query`, tracking parameters are removed and the others sorted. A
    string that is not a URL is only stripped of white space.
    """
    url = url.strip()
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return url
    host = host_of(url)
    if not parts.scheme or not host:
        return url
    scheme = parts.scheme.lower()
    netloc = f"[{host}]" if ":" in host else host
    if port is not None and port != _DEFAULT_PORTS.get(scheme):
        netloc = f"{netloc}:{port}"
    path = _normalise_path(_SESSION.sub("", parts.path))
    query = parts.query if keep_query else _normalise_query(parts.query)
    query = quote(query, safe=_QUERY_SAFE + "%")
    return urlunsplit((scheme, netloc, path if path.startswith("/") else f"/{path}", query, ""))


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


@lru_cache(maxsize=65_536)
def registered_domain(host: str) -> str:
    """Return the registrable domain of a host: public suffix plus one label. An address or suffix is its own domain."""
    if host.replace(".", "").isdigit() or ":" in host:
        return host
    return _suffixes().privatesuffix(host) or host
