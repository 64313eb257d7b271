"""Parsers of a host's permission files: robots.txt (RFC 9309), /.well-known/tdmrep.json and ai.txt."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from protego import Protego

from corpusloom.pipelines.net.config import TOKEN
from corpusloom.schemas.records import Signal

MAX_BYTES = 512_000
"""Bytes of a file that are parsed; RFC 9309, section 2.5, requires at least 500 KiB."""
MAX_RULES = 2_000
"""Entries of a tdmrep.json, at most; the rest is ignored."""
_AGENT = re.compile(r"^user-?agent$", re.I)
_USES = ("content-usage", "content-signal")


@dataclass(frozen=True, slots=True)
class UseRule:
    """A Content-Usage or Content-Signal line of a robots.txt group: its path and its value."""

    name: str
    path: str
    value: str


@dataclass(frozen=True)
class Robots:
    """One host's robots.txt; `rules` is None if the server failed, which disallows everything."""

    rules: Protego | None
    uses: tuple[tuple[UseRule, ...], ...] = ()
    """Use lines of our group, then those of the groups of each agent in `agents`."""
    seen_at: str = ""
    agents: tuple[str, ...] = ()
    """Other agents that are obeyed and that have a group in the file."""

    def allows(self, url: str) -> bool:
        """Return whether a URL may be fetched by our token (by `*` if it has no group) and by all of `agents`."""
        rules = self.rules
        return rules is not None and all(bool(rules.can_fetch(url, agent)) for agent in (TOKEN, *self.agents))

    @property
    def crawl_delay(self) -> float | None:
        """Return the longest Crawl-delay of the groups that are obeyed, in seconds; None without one."""
        if self.rules is None:
            return None
        delays = [self.rules.crawl_delay(agent) for agent in (TOKEN, *self.agents)]
        return max((delay for delay in delays if delay is not None), default=None)

    def signals(self, url: str) -> tuple[Signal, ...]:
        """Return the use signals for a URL: per group and name the one with the longest matching path."""
        if not any(self.uses):
            return ()
        place = _path_of(url)
        found = [rule for group in self.uses for rule in _longest(group, place)]
        return tuple(
            Signal(name=rule.name, value=rule.value, where="robots_txt", seen_at=self.seen_at)
            for rule in dict.fromkeys(found)
        )


def _longest(rules: Iterable[UseRule], place: str) -> list[UseRule]:
    """Return per name the rule with the longest matching path, the last of them in a tie."""
    best: dict[str, UseRule] = {}
    for rule in rules:
        longer = rule.name not in best or len(rule.path) >= len(best[rule.name].path)
        if longer and matches(rule.path, place):
            best[rule.name] = rule
    return list(best.values())


ALLOW_ALL = Protego.parse("")


def parse_robots(status: int, body: bytes, *, seen_at: str, agents: tuple[str, ...] = ()) -> Robots:
    """Return the rules of a response (RFC 9309, 2.3.1): 2xx is parsed, 4xx allows, any other status disallows all URLs.

    429 disallows too, since it does not mean that there is no file. The groups of `agents` are obeyed besides ours; an
    agent without a group of its own adds no rules.
    """
    if 400 <= status < 500 and status != 429:
        return Robots(ALLOW_ALL, seen_at=seen_at)
    if not 200 <= status < 300:
        return Robots(None, seen_at=seen_at)
    text = body[:MAX_BYTES].decode("utf-8", "replace").lstrip("\ufeff").replace("\x00", "")
    groups = _groups(_lines(text))
    named = {name for names, _ in groups for name in names}
    obeyed = tuple(agent for agent in agents if agent.lower() in named)
    ours = _use_rules(groups, TOKEN) if TOKEN in named else _use_rules(groups, "*")
    uses = (ours, *(_use_rules(groups, agent.lower()) for agent in obeyed))
    return Robots(Protego.parse(text), uses, seen_at, obeyed)


def _lines(text: str) -> list[tuple[str, str]]:
    """Return the `name: value` lines of a robots.txt, names in lower case, comments dropped."""
    lines = (line.partition("#")[0].partition(":") for line in text.splitlines())
    return [(name.strip().lower(), value.strip()) for name, colon, value in lines if colon]


def _groups(lines: list[tuple[str, str]]) -> list[tuple[list[str], list[tuple[str, str]]]]:
    """Return the groups of a robots.txt, each with its agents and lines; lines before any agent apply to `*`."""
    groups: list[tuple[list[str], list[tuple[str, str]]]] = [(["*"], [])]
    naming = False
    for name, value in lines:
        if _AGENT.match(name):
            if not naming:
                groups.append(([], []))
            groups[-1][0].append(value.lower())
        else:
            groups[-1][1].append((name, value))
        naming = bool(_AGENT.match(name))
    return groups


def _use_rules(groups: list[tuple[list[str], list[tuple[str, str]]]], agent: str) -> tuple[UseRule, ...]:
    """Return the use lines of the groups for `agent`, given in lower case."""
    rules = []
    lines = (line for agents, found in groups if agent in agents for line in found)
    for name, value in (line for line in lines if line[0] in _USES):
        path, _, rest = value.partition(" ") if value.startswith("/") else ("/", "", value)
        rules.append(UseRule(name, path, rest.strip()))
    return tuple(rules)


def _path_of(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def matches(pattern: str, path: str) -> bool:
    """Return whether a robots.txt pattern matches a path, in linear time.

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
        place = _path_of(url)
        rule = next((rule for rule in self.rules if matches(rule.location, place)), None)
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
    if value not in (0, 1, "0", "1") or isinstance(value, bool):
        return None
    return TdmRule(entry["location"], str(value), policy if isinstance(policy, str) else None)


@dataclass(frozen=True)
class AiFile:
    """A host's ai.txt (Spawning): rules in the format of robots.txt, for media by file extension."""

    rules: Protego | None = None
    seen_at: str = ""

    def signals(self, url: str) -> tuple[Signal, ...]:
        """Return the signal that disallows a URL; () if the URL is allowed."""
        if self.rules is None or self.rules.can_fetch(url, TOKEN):
            return ()
        return (Signal(name="ai.txt", value=f"Disallow: {_path_of(url)}", where="file", seen_at=self.seen_at),)


def parse_ai_txt(body: bytes, *, seen_at: str) -> AiFile:
    """Return the rules of an ai.txt; a file of another format under that name (HTML, Markdown) has none."""
    text = body[:MAX_BYTES].decode("utf-8", "replace").lstrip("\ufeff").replace("\x00", "")
    names = [name for name, _ in _lines(text)]
    if not any(_AGENT.match(name) for name in names) or text.lstrip().startswith(("<", "---")):
        return AiFile()
    return AiFile(Protego.parse(text), seen_at)


@dataclass(frozen=True)
class HostFiles:
    """The parsed permission files of one origin."""

    robots: Robots = field(default_factory=lambda: Robots(ALLOW_ALL))
    tdm: TdmFile = field(default_factory=TdmFile)
    ai: AiFile = field(default_factory=AiFile)

    def signals(self, url: str) -> tuple[Signal, ...]:
        """Return the signals of the three files for a URL."""
        return (*self.robots.signals(url), *self.tdm.signals(url), *self.ai.signals(url))
