"""Path patterns of robots.txt (RFC 9309, section 2.2.2): `*`, a final `$`, equal spellings, and which rule decides."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote

_PATH = re.compile(r"[^/]*//[^/?#]*([^#]*)")
_PLAIN = re.compile(r"[\w.~!&'()+,;=:@/?-]*", re.ASCII)
"""Texts that `_spell` returns unchanged."""
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})|[^!-~]+")
_KEPT = frozenset("#$%*/?")
"""Characters whose escapes are not decoded, since they would then mean something else."""


def path_of(url: str) -> str:
    """Return path and query of a cleaned URL, spelled so that patterns can be compared with it."""
    match = _PATH.match(url)
    found = match[1] if match else ""
    found = found if found.startswith("/") else f"/{found}"
    return found if _PLAIN.fullmatch(found) else _spell(found).replace("*", "%2A").replace("$", "%24")


def pattern_of(value: str) -> str:
    """Return a pattern, spelled so that it can be compared with a path; `*` and a final `$` keep their meaning."""
    text = _spell(value)
    return text[:-1].replace("$", "%24") + text[-1:]


def _spell(text: str) -> str:
    """Return a text in which equal octets are spelled alike: ASCII characters as such, others as escapes.

    In a query, `/` and `?` are spelled as such too: `?u=https%3A%2F%2Fa` equals `?u=https://a` (RFC 9309, 2.2.2).
    """
    if _PLAIN.fullmatch(text):
        return text
    path, mark, query = text.partition("?")
    return _ESCAPED.sub(_octet, path) + mark + _ESCAPED.sub(_octet, query).replace("%2F", "/").replace("%3F", "?")


def _octet(match: re.Match[str]) -> str:
    if match[1] is None:
        return quote(match[0], errors="surrogateescape")
    char = chr(int(match[1], 16))
    return char if "!" <= char <= "~" and char not in _KEPT else match[0].upper()


def matches(pattern: str, path: str) -> bool:
    """Return whether a pattern matches a path, in linear time; both are spelled as above.

    `*` matches any characters and a final `$` the end of the path; otherwise the pattern matches a prefix.
    """
    anchored = pattern.endswith("$")
    first, *rest = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    place = len(first)
    if not rest:
        return not anchored or place == len(path)
    *middle, last = rest
    for part in middle:
        place = path.find(part, place)
        if place < 0:
            return False
        place += len(part)
    if anchored:
        return path.endswith(last) and len(path) - len(last) >= place
    return path.find(last, place) >= 0


@dataclass(frozen=True)
class PathRules:
    """Allow and Disallow patterns of one group: the longest pattern that matches decides, Allow in a tie."""

    allowed: tuple[str, ...] = ()
    disallowed: tuple[str, ...] = ()
    _prefixes: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """Disallowed patterns without `*` and `$`, which are compared all at once."""
    _others: tuple[str, ...] = field(init=False, repr=False, compare=False)

    @property
    def allow_all(self) -> bool:
        """Return whether every path may be fetched."""
        return not self.disallowed

    def __post_init__(self) -> None:
        others = tuple(pattern for pattern in self.disallowed if "*" in pattern or pattern.endswith("$"))
        object.__setattr__(self, "_others", others)
        object.__setattr__(self, "_prefixes", tuple(set(self.disallowed).difference(others)))

    def allows(self, path: str) -> bool:
        """Return whether a path of `path_of` may be fetched; /robots.txt always may."""
        if not path.startswith(self._prefixes) and not any(matches(pattern, path) for pattern in self._others):
            return True
        return path == "/robots.txt" or _longest(self.allowed, path) >= _longest(self.disallowed, path)


def _longest(patterns: Iterable[str], path: str) -> int:
    """Return the octets of the longest pattern that matches a path; -1 if none does."""
    return max((len(pattern) for pattern in patterns if matches(pattern, path)), default=-1)
