"""Parsers of a host's permission files: robots.txt (RFC 9309), /.well-known/tdmrep.json and ai.txt."""

import json
import math
import re
from dataclasses import dataclass, field

from corpusloom.pipelines.net.config import TOKEN
from corpusloom.pipelines.net.permissions.path_rules import PathRules, matches, path_of, pattern_of
from corpusloom.schemas.records import Signal

MAX_BYTES = 512_000
"""Bytes of a file that are parsed; RFC 9309, section 2.5, requires at least 500 KiB."""
MAX_RULES = 2_000
"""Entries of a tdmrep.json, at most; the rest is ignored."""
_AGENT = frozenset(("user-agent", "useragent", "user agent"))
_DISALLOW = frozenset(("disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw"))
"""Disallow and its common misspellings, which Google's parser accepts too."""
_DELAY = frozenset(("crawl-delay", "crawl delay"))
_USES = frozenset(("content-usage", "content-signal"))
_RULES = _DISALLOW | _DELAY | _USES | {"allow"}
"""Lines that belong to a group. Any other line, such as Sitemap, neither ends nor begins one (section 2.2.4)."""
_FIELDS = _AGENT | _RULES
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
"""Byte order marks of UTF-8 and UTF-16."""
_TOKEN = re.compile(r"[a-z_-]*")
_SITE = re.compile(r"https?://[^/]*", re.I)


@dataclass(frozen=True, slots=True)
class UseRule:
    """A Content-Usage or Content-Signal line of a robots.txt group: its path pattern and its value."""

    name: str
    path: str
    value: str


@dataclass(frozen=True)
class Group:
    """The lines of a robots.txt that apply to one agent: all groups that name it, combined."""

    rules: PathRules = field(default_factory=PathRules)
    uses: tuple[UseRule, ...] = ()
    crawl_delay: float | None = None
    """The longest Crawl-delay, in seconds."""

    def uses_of(self, path: str) -> list[UseRule]:
        """Return per name all lines with the longest matching path: two lines of one path both apply."""
        found = [rule for rule in self.uses if matches(rule.path, path)]
        longest: dict[str, int] = {}
        for rule in found:
            longest[rule.name] = max(len(rule.path), longest.get(rule.name, 0))
        return [rule for rule in found if len(rule.path) == longest[rule.name]]


@dataclass(frozen=True)
class Robots:
    """One host's robots.txt; `rules` is None if the server failed, which disallows everything."""

    rules: tuple[Group, ...] | None
    """Our group (that of `*` if the file does not name us), then the groups of other agents that are obeyed."""
    seen_at: str = ""

    def allows(self, url: str) -> bool:
        """Return whether a URL may be fetched by our group and by those of all other agents that are obeyed."""
        if self.rules is None:
            return False
        if all(group.rules.allow_all for group in self.rules):
            return True
        path = path_of(url)
        return all(group.rules.allows(path) for group in self.rules)

    @property
    def crawl_delay(self) -> float | None:
        """Return the longest Crawl-delay of the groups that are obeyed, in seconds; None without one."""
        delays = [group.crawl_delay for group in self.rules or ()]
        return max((delay for delay in delays if delay is not None), default=None)

    def signals(self, url: str) -> tuple[Signal, ...]:
        """Return the use signals for a URL, of all groups that are obeyed."""
        if not any(group.uses for group in self.rules or ()):
            return ()
        path = path_of(url)
        found = [rule for group in self.rules or () for rule in group.uses_of(path)]
        return tuple(
            Signal(name=rule.name, value=rule.value, where="robots_txt", seen_at=self.seen_at)
            for rule in dict.fromkeys(found)
        )


ALLOW_ALL = (Group(),)


def parse_robots(status: int, body: bytes, *, seen_at: str, agents: tuple[str, ...] = ()) -> Robots:
    """Return the rules of a response (RFC 9309, 2.3.1): 2xx is parsed, 4xx allows, any other status disallows all URLs.

    429 disallows too, since it does not mean that there is no file. The groups of `agents` are obeyed besides ours; an
    agent without a group of its own adds no rules.
    """
    if 400 <= status < 500 and status != 429:
        return Robots(ALLOW_ALL, seen_at)
    if not 200 <= status < 300:
        return Robots(None, seen_at)
    blocks = _blocks(_text(body))
    named = {name for block in blocks for name in block.agents}
    others = (agent.lower().partition("/")[0] for agent in agents)
    obeyed = (TOKEN if TOKEN in named else "*", *(agent for agent in others if agent in named))
    return Robots(tuple(_group(blocks, agent) for agent in obeyed), seen_at)


def _text(body: bytes) -> str:
    """Return the text of a file, without byte order mark and NULs (of UTF-16), and without a line that is cut off."""
    if len(body) >= MAX_BYTES:
        body = body[: max(body.rfind(end, 0, MAX_BYTES) for end in (b"\r", b"\n")) + 1]
    for mark in _MARKS:
        body = body.removeprefix(mark)
    return body.replace(b"\x00", b"").decode("utf-8", "surrogateescape")


@dataclass
class _Block:
    """A group as it stands in a robots.txt: its agents and its lines. The first block, without agents, precedes all."""

    agents: set[str] = field(default_factory=set)
    lines: list[tuple[str, str]] = field(default_factory=list)
    """(name in lower case, value) of each line."""


def _blocks(text: str) -> list[_Block]:
    """Return the groups of a file in order. Lines end with CR, LF or both, and with nothing else."""
    blocks, naming = [_Block()], False
    for name, value in map(_field, re.split(r"[\r\n]+", text)):
        if name in _AGENT:
            if not naming:
                blocks.append(_Block())
            blocks[-1].agents |= _names(value)
            naming = True
        elif name in _RULES:
            blocks[-1].lines.append((name, value))
            naming = False
    return blocks


def _field(line: str) -> tuple[str, str]:
    """Return name (in lower case) and value of a line without its comment; a blank may stand for the colon."""
    line = line.partition("#")[0].strip()
    name, _, value = line.partition(":")
    if name.strip().lower() not in _FIELDS:
        name, value = (*line.split(None, 1), "", "")[:2]
    return name.strip().lower(), value.strip()


def _names(value: str) -> set[str]:
    """Return the names in a User-agent line: its product token, cut at the first other character, and its first word.

    RFC 9309 allows only letters, `-` and `_` in a token. The word is for agents with a digit, such as img2dataset.
    """
    word = (value.lower().split() or [""])[0]
    if word == "*":
        return {"*"}
    token = _TOKEN.match(word)
    return {token[0] if token else "", word.partition("/")[0]} - {"", "*"}


def _group(blocks: list[_Block], agent: str) -> Group:
    """Return the combined group of an agent, given in lower case; use lines before the first group apply to all."""
    lines = [line for block in blocks if agent in block.agents for line in block.lines]
    anyone = [line for block in blocks if not block.agents for line in block.lines]
    delays = [_seconds(value) for name, value in lines if name in _DELAY]
    return Group(
        PathRules(
            tuple(pattern_of(value) for name, value in lines if name == "allow" and value),
            tuple(pattern_of(_rooted(value)) for name, value in lines if name in _DISALLOW and value),
        ),
        tuple(_use_rule(name, value) for name, value in (*anyone, *lines) if name in _USES),
        max((delay for delay in delays if delay is not None), default=None),
    )


def _rooted(value: str) -> str:
    """Return a Disallow value as a path: without the site of an absolute URL, and with the first `/` if it lacks it."""
    value = _SITE.sub("", value, count=1)
    return value if value.startswith(("/", "*")) else f"/{value}"


def _seconds(value: str) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _use_rule(name: str, line: str) -> UseRule:
    """Return a use line: a path pattern and a value, or a value for all paths."""
    text = line.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    path, value = (*text.split(None, 1), "")[:2] if text.startswith(("/", "*")) else ("/", text)
    return UseRule(name, pattern_of(path), value)


@dataclass(frozen=True, slots=True)
class TdmRule:
    """One entry of a tdmrep.json (W3C TDMRep CG, 2024)."""

    location: str
    reservation: str
    policy: str | None = None


@dataclass(frozen=True)
class TdmFile:
    """A host's /.well-known/tdmrep.json."""

    rules: tuple[TdmRule, ...] = ()
    seen_at: str = ""

    def signals(self, url: str) -> tuple[Signal, ...]:
        """Return the signals of the first entry that matches a URL."""
        if not self.rules:
            return ()
        path = path_of(url)
        rule = next((rule for rule in self.rules if matches(rule.location, path)), None)
        if rule is None:
            return ()
        found = [("tdm-reservation", rule.reservation), ("tdm-policy", rule.policy)]
        return tuple(
            Signal(name=name, value=value, where="file", seen_at=self.seen_at) for name, value in found if value
        )


def parse_tdmrep(body: bytes, *, seen_at: str) -> TdmFile:
    """Return the rules of a tdmrep.json; malformed entries are ignored."""
    try:
        entries = json.loads(body[:MAX_BYTES])
    except (ValueError, RecursionError):
        return TdmFile()
    rules = [_tdm_rule(entry) for entry in entries[:MAX_RULES]] if isinstance(entries, list) else []
    return TdmFile(tuple(rule for rule in rules if rule is not None), seen_at)


def _tdm_rule(entry: object) -> TdmRule | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("location"), str):
        return None
    value, policy = entry.get("tdm-reservation"), entry.get("tdm-policy")
    if value not in (0, 1, "0", "1"):
        return None
    location = pattern_of(_rooted(_whole(entry["location"])))
    return TdmRule(location, str(int(value)), _whole(policy) if isinstance(policy, str) else None)


def _whole(text: str) -> str:
    """Return a text of JSON without halves of characters, which no table can store."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@dataclass(frozen=True)
class AiFile:
    """A host's ai.txt (Spawning): rules in the format of robots.txt, for media by file extension."""

    rules: PathRules = field(default_factory=PathRules)
    seen_at: str = ""

    def signals(self, url: str) -> tuple[Signal, ...]:
        """Return the signal that disallows a URL; () if the URL is allowed."""
        if self.rules.allow_all:
            return ()
        path = path_of(url)
        if self.rules.allows(path):
            return ()
        return (Signal(name="ai.txt", value=f"Disallow: {path}", where="file", seen_at=self.seen_at),)


def parse_ai_txt(body: bytes, *, seen_at: str) -> AiFile:
    """Return the rules of an ai.txt; a file of another format under that name (HTML, Markdown) has none."""
    text = _text(body)
    blocks = [] if text.lstrip().startswith(("<", "---")) else _blocks(text)
    group = _group(blocks, TOKEN if any(TOKEN in block.agents for block in blocks) else "*")
    return AiFile(group.rules, seen_at)


@dataclass(frozen=True)
class HostFiles:
    """The parsed permission files of one origin."""

    robots: Robots = field(default_factory=lambda: Robots(ALLOW_ALL))
    tdm: TdmFile = field(default_factory=TdmFile)
    ai: AiFile = field(default_factory=AiFile)

    def signals(self, url: str) -> tuple[Signal, ...]:
        """Return the signals of the three files for a URL."""
        return (*self.robots.signals(url), *self.tdm.signals(url), *self.ai.signals(url))
