"""Hosts of URLs as browsers ask them (URL standard, host parsing): UTS 46 and punycode, IPv4 in all spellings, IPv6."""

import ipaddress
import re
import unicodedata
from functools import lru_cache
from urllib.parse import unquote

import idna

MAX_HOST = 253
"""Characters of a host name (RFC 1035)."""
MAX_LABEL = 63
_PLAIN = re.compile(r"(?!.*xn--)(?:[a-z0-9_-]{1,63}\.)*[a-z_-][a-z0-9_-]{0,62}")
"""Hosts that are asked as they are."""
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f#/:<>?@\[\\\]^|%]")
"""Forbidden domain code points of the URL standard."""
_NUMBERS = (
    (re.compile(r"0[xX]([0-9A-Fa-f]*)"), 16),
    (re.compile(r"0([0-7]+)"), 8),
    (re.compile(r"(0|[1-9][0-9]*)"), 10),
)
_JOINERS = "\u200c\u200d"


@lru_cache(maxsize=65_536)
def host_and_port(authority: str) -> tuple[str, int | None]:
    """Return the host of an authority (`user@host:port`), without brackets, and its port; ValueError if malformed."""
    place = authority.rpartition("@")[2]
    if place.startswith("["):
        inner, bracket, port = place[1:].partition("]")
        if not bracket or port[:1] not in ("", ":"):
            raise ValueError(f"{place[:80]!r} is no IPv6 address")
        host, port = _ipv6(inner), port[1:]
    else:
        inner, _, port = place.partition(":")
        host = ascii_host(inner)
    if port and not (port.isascii() and port.isdigit() and int(port) < 65_536):
        raise ValueError(f"{port[:20]!r} is no port")
    return host, int(port) if port else None


def ascii_host(host: str) -> str:
    """Return the name or IPv4 address that a browser asks for a host, without final dot; ValueError if it asks none.

    ß, ς and emoji keep their own names (UTS 46, non-transitional), unlike in Python's codec `idna`.
    """
    if len(host) <= MAX_HOST and _PLAIN.fullmatch(host):
        return host
    try:
        name = _domain_to_ascii(unquote(host))
    except UnicodeError as error:  # idna.IDNAError is one
        raise ValueError(f"{host[:80]!r} is no host name: {error}") from error
    name = name.removesuffix(".")
    labels = name.split(".")
    if _FORBIDDEN.search(name) or len(name) > MAX_HOST or not all(0 < len(label) <= MAX_LABEL for label in labels):
        raise ValueError(f"{host[:80]!r} is no host name")
    last = labels[-1]
    return _ipv4(labels) if last.isdigit() or _NUMBERS[0][0].fullmatch(last) else name


def _domain_to_ascii(domain: str) -> str:
    """Return a domain in lower case and punycode; UnicodeError if UTS 46 refuses it."""
    mapped = idna.uts46_remap(domain, std3_rules=False)
    if mapped.isascii() and "xn--" not in mapped:
        return mapped
    labels = [_unicode_label(label) for label in mapped.split(".")]
    right_to_left = any(unicodedata.bidirectional(char) in ("R", "AL", "AN") for label in labels for char in label)
    for label in filter(None, labels):
        idna.check_initial_combiner(label)
        if right_to_left:
            idna.check_bidi(label, check_ltr=True)
        if any(char in _JOINERS and not idna.valid_contextj(label, place) for place, char in enumerate(label)):
            raise UnicodeError("a joiner is out of place")
    return ".".join(label if label.isascii() else f"xn--{label.encode('punycode').decode('ascii')}" for label in labels)


def _unicode_label(label: str) -> str:
    """Return a mapped label without punycode; UnicodeError for punycode that no label is encoded as."""
    if not label.startswith("xn--"):
        return label
    text = label[4:].encode("ascii").decode("punycode")
    spelled = text.encode("punycode").decode("ascii")
    if text.isascii() or spelled != label[4:] or idna.uts46_remap(text, std3_rules=False) != text:
        raise UnicodeError("not the punycode of a label")
    return text


def _ipv4(parts: list[str]) -> str:
    """Return the IPv4 address of one to four numbers, decimal, octal or hexadecimal; the last one fills the rest."""
    *first, last = [_number(part) for part in parts]
    if len(first) > 3 or any(number > 255 for number in first) or last >= 256 ** (4 - len(first)):
        raise ValueError(f"{'.'.join(parts)!r} is no IPv4 address")
    return str(ipaddress.IPv4Address(last + sum(number << 8 * (3 - place) for place, number in enumerate(first))))


def _number(text: str) -> int:
    for pattern, base in _NUMBERS:
        match = pattern.fullmatch(text)
        if match:
            return int(match[1] or "0", base)
    raise ValueError(f"{text!r} is no number of an IPv4 address")


def _ipv6(text: str) -> str:
    """Return an IPv6 address in its short form, in which an embedded IPv4 address is not spelled with dots."""
    if "%" in text:
        raise ValueError(f"{text!r} has a zone")
    address = ipaddress.IPv6Address(text)
    if address.ipv4_mapped is None:
        return str(address)
    number = int(address.ipv4_mapped)
    return f"::ffff:{number >> 16:x}:{number & 0xFFFF:x}"
