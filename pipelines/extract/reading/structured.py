"""Reads the JSON-LD of a page: its images, and the main text of pages that show their text by script."""

import json
import re
from collections.abc import Iterator
from typing import Any

from corpusloom.pipelines.extract.reading import texts

_BODIES = ("articleBody", "text", "description")
_MAX_NODES = 5_000
_MAX_CHARS = 1_000_000
_TAG = re.compile(r"<[^<>]{0,2000}>")
_PARAGRAPH = re.compile(r"(?:\r?\n\s*){2,}|</p>|<br\s*/?>\s*<br\s*/?>", re.IGNORECASE)


def main_text(blocks: list[str]) -> list[str]:
    """Return the paragraphs of the longest article body, text or description, in that order of preference."""
    found: dict[str, list[str]] = {name: [] for name in _BODIES}
    for node in nodes(blocks):
        for name in _BODIES:
            value = node.get(name)
            if isinstance(value, str):
                found[name].append(value[:_MAX_CHARS])
    for name in _BODIES:
        if found[name]:
            longest = max(found[name], key=len)
            parts = (texts.inline(_TAG.sub(" ", part)) for part in _PARAGRAPH.split(longest))
            return [part for part in parts if part]
    return []


def image_urls(blocks: list[str]) -> list[str]:
    """Return the values of `image` of all entities, unresolved."""
    found: list[str] = []
    for node in nodes(blocks):
        value = node.get("image")
        for item in value if isinstance(value, list) else [value]:
            address = item.get("url") if isinstance(item, dict) else item
            if isinstance(address, str):
                found.append(address)
    return found[:50]


def nodes(blocks: list[str]) -> Iterator[dict[str, Any]]:
    """Yield all objects of a page's JSON-LD, outer before inner; skip scripts that are not JSON."""
    left = _MAX_NODES
    for block in blocks:
        try:
            stack = [json.loads(block[:_MAX_CHARS], strict=False)]
        except (ValueError, RecursionError):
            continue
        while stack and left > 0:
            item = stack.pop()
            left -= 1
            if isinstance(item, dict):
                yield item
                stack.extend(reversed(list(item.values())))
            elif isinstance(item, list):
                stack.extend(reversed(item))
