"""Masking of personal data: e-mail addresses, telephone numbers and public IP addresses, off by default."""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass

from corpusloom.schemas.config import threshold

VERSION = 1
_EMAIL = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,63}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.){1,8}[A-Za-z]{2,24}\b"
)
_IPV4 = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]*\d)")
_IPV6 = re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{1,4}(?![\w:])")
_PHONE = re.compile(
    r"(?<![\w.+/-])(?:\+\d{1,3}[ .-]?)?(?:\(\d{1,4}\)[ .-]?)?\d{2,4}(?:[ .-]\d{2,4}){1,4}(?![\w/-]|\.\d)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PiiConfig:
    """Masks for personal data, by kind. FineWeb (§3) masks e-mail and IP addresses."""

    email: str | None = threshold()
    """Mask for an e-mail address, e.g. email@example.com."""
    ip_address: str | None = threshold()
    """Mask for a public IP address, e.g. 0.0.0.0. Private addresses are not masked."""
    phone: str | None = threshold()
    """Mask for a telephone number of 8 to 15 digits; numbers of the same form are masked too."""


@dataclass(frozen=True, slots=True)
class MaskedText:
    """A text after masking, and the number of masked items by kind."""

    text: str
    counts: dict[str, int]


def _is_public_ip(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False


def _is_phone(text: str) -> bool:
    digits = sum(map(str.isdigit, text))
    return 8 <= digits <= 15 and (text.startswith(("+", "(")) or digits >= 9)


def _mask(text: str, pattern: re.Pattern[str], mask: str, accept: Callable[[str], bool]) -> tuple[str, int]:
    count = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal count
        if not accept(match.group()):
            return match.group()
        count += 1
        return mask

    return pattern.sub(replace, text), count


def mask_pii(text: str, config: PiiConfig) -> MaskedText:
    """Return a text with personal data masked, and counts by kind (email, ip_address, phone)."""
    counts = {"email": 0, "ip_address": 0, "phone": 0}
    if config.email is not None and "@" in text:
        text, counts["email"] = _mask(text, _EMAIL, config.email, lambda _: True)
    if config.ip_address is not None:
        text, found = _mask(text, _IPV4, config.ip_address, _is_public_ip)
        text, more = _mask(text, _IPV6, config.ip_address, _is_public_ip)
        counts["ip_address"] = found + more
    if config.phone is not None:
        text, counts["phone"] = _mask(text, _PHONE, config.phone, _is_phone)
    return MaskedText(text, counts)
